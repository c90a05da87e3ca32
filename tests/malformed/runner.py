"""`python -m malformed.runner ROOT [NAME ...]`: every entry in this one process, watched; a line of JSON for each.

What is recorded beside the exit code and stderr: writes outside of the entry's directory and the temporary one, and
inside where the entry has no business; other programs, connections, and code that is not of an installed package.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

SECONDS = 8
ROOM = 3 * 2**30
"""Bytes of addresses beside those that are in use: what reads a device without end fails, and not the machine."""

PROGRAMS = {
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
}
NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"}
CHANGES = {
    "os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.symlink": 2, "os.link": 2, "os.truncate": 1,
    "os.chmod": 1, "os.chown": 1, "shutil.rmtree": 1,
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


FUZZED, FUZZING = "fuzzed", 3.0
"""The last line, and for how many seconds."""

STARTED = time.time()
MARKS = ("<script>alert", "<img src=x")


class TooLongError(BaseException):
    """No `except Exception` may take it for one of its own."""


class Watch:
    """What one entry does that it should not."""

    def __init__(self, *free: Path) -> None:
        self.free = tuple(str(path.resolve()) for path in free)
        self.here = ""
        self.events: list[str] = []

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.here:
            return
        if event == "subprocess.Popen" and list(args[1])[-2:] == ["rev-parse", "HEAD"]:
            return  # what a run's provenance asks git
        if event in PROGRAMS or event in NETWORK:
            self.events.append(f"{event} {args[:2]!r}"[:200])
        elif event == "open" and self.writes(args):
            self.outside(event, args[0])
        elif event in CHANGES:
            for path in args[: CHANGES[event]]:
                self.outside(event, path)
        elif event == "exec" and isinstance(args[0], CodeType) and self.is_inside(args[0].co_filename):
            self.events.append(f"code of {args[0].co_filename}")

    @staticmethod
    def writes(args: tuple[Any, ...]) -> bool:
        mode, flags = args[1], args[2]
        return bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & WRITING)

    def outside(self, event: str, path: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        full = os.path.realpath(os.path.join(self.here, os.fsdecode(path)))
        if full != "/dev/null" and not full.startswith((self.here, *self.free)):
            self.events.append(f"{event} {full}"[:200])

    def is_inside(self, filename: str) -> bool:
        """Whether a file is one of the entry's, and not of a package."""
        return os.path.join(self.here, filename).startswith(self.here) and not filename.startswith("<")


def main() -> None:
    root, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    temporary, valid = root / "temporary", root / "valid"
    for path in (temporary, valid, root / "entries"):
        path.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(temporary)
    os.environ.update(TMPDIR=str(temporary), HOME=str(temporary), HF_HUB_OFFLINE="1")
    os.environ.pop("NOTBUGS_CIFAR10", None)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    sys.stdin = open(os.devnull)  # noqa: SIM115
    os.dup2(sys.stdin.fileno(), 0)
    os.chdir(valid)

    import pyarrow.dataset  # noqa: F401  (what is imported late would be taken for somebody's wish)
    from benchmarks import valid as inputs

    from malformed.entries import ENTRIES
    from notbugs.app.cli import main as command

    if not any(valid.iterdir()):
        inputs.main()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
    watch = Watch(temporary)
    sys.addaudithook(watch.hook)
    out = os.fdopen(os.dup(1), "w")  # where somebody writes to stdout behind our back
    for number, name in enumerate(names or ENTRIES):
        here = root / "entries" / f"{number:04}"
        here.mkdir()
        print(json.dumps(found(ENTRIES[name], here, valid, watch, command)), file=out, flush=True)
    if not names:  # the valid inputs are there, so some are fuzzed as well
        from benchmarks.fuzz import fuzz

        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(json.dumps({"name": FUZZED, "parsers": fuzz(FUZZING, seed=0)}), file=out, flush=True)


def found(
    entry: Any, here: Path, valid: Path, watch: Watch, command: Callable[[list[str]], None]
) -> dict[str, Any]:
    entry.write(here, valid)
    before, modules, paths = contents(here), set(sys.modules), list(sys.path)
    os.chdir(here)
    forget_peak()
    at_first, began = peak(), time.perf_counter()
    watch.here, watch.events = str(here), []
    said, told = output("backslashreplace"), output("strict")
    code: Any = 0
    try:
        with limited(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(told):
            command(list(entry.argv))
    except SystemExit as stop:
        code = 0 if stop.code is None else stop.code
    except BaseException as error:
        code = f"{type(error).__name__}: {error}"[:300]
    finally:
        watch.here = ""
    seconds, growth = time.perf_counter() - began, peak() - at_first
    events = list(watch.events)
    new = {name: getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - modules}
    events += [f"import of {name}" for name, file in new.items() if file and not is_installed(file)]
    for name in new:
        if not is_installed(new[name] or ""):
            del sys.modules[name]
    events += ["another sys.path"] if sys.path != paths else []
    sys.path[:] = paths
    os.chdir(valid)
    after = contents(here)
    events += [
        f"wrote {path}"
        for path in sorted(after)
        if after[path] != before.get(path)
        and not (path + "/").startswith(tuple(one.rstrip("/") + "/" for one in entry.writes))
    ]
    events += [f"removed {path}" for path in before if path not in after]
    events += [f"left {path}" for path in after if path not in before and Path(path).name.startswith(".")]
    return {
        "name": entry.name, "code": code, "stderr": read(said), "stdout": read(told), "events": events[:20],
        "seconds": round(seconds, 2), "growth": growth, "page": page_of(here),
    }  # fmt: skip


def page_of(here: Path) -> str:
    """The parts of a report's page that somebody's HTML might be in; empty where none was made."""
    page = here / "run" / "report.html"
    text = page.read_text() if page.is_file() and page.stat().st_mtime > STARTED else ""
    return next((mark for mark in MARKS if mark in text), text[:20])


def output(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)


def read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode(errors="replace")  # type: ignore[attr-defined]


def is_installed(file: str) -> bool:
    return "site-packages" in file or "/lib/python" in file or "/src/notbugs/" in file


def contents(here: Path) -> dict[str, tuple[int, ...]]:
    """What lies below a directory: kind, size and time of change of everything."""
    told = {}
    for directory, folders, files in os.walk(os.fsencode(here)):
        for name in (*folders, *files):
            path = os.path.join(directory, name)
            about = os.lstat(path)
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(here)))
            told[key] = (about.st_mode,) if is_folder else (about.st_mode, about.st_size, about.st_mtime_ns)
    return told


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLongError(f"after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most memory that this process has had since `forget_peak`, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
