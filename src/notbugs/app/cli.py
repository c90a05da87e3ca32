"""The command line: `notbugs COMMAND ...`. A user's mistake is one line on stderr and exit code 2."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from cyclopts import App, CycloptsError, Parameter, convert

from notbugs.errors import NotbugsError, users_place
from notbugs.locations import forget_copies
from notbugs.ranks import ranks_of_torchrun

LONGEST = 2000
"""Letters of a message."""

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""

CLIENTS = {"fsspec", "upath", "s3fs", "gcsfs", "adlfs", "aiobotocore", "aiohttp"}
"""Packages that ask object stores."""

PATIENCE = 5.0
"""Seconds that other ranks give the first to say what went wrong: torchrun ends all at the first failure."""


def exactly(type_: Any, tokens: Sequence[Any]) -> Any:
    """What the words say in that type; cyclopts alone would round 1.5 to a whole number."""
    kinds = {type_, *get_args(type_)}
    if int in kinds and not kinds & {float, str}:
        for token in tokens:
            if "." in token.value:
                raise ValueError(f"{token.value} is no whole number.")
    return convert(type_, tokens)


app = App(
    name="notbugs",
    help="Which features does a classifier use, and what happens when you take them away?",
    help_flags=["--help", "-h"],
    version_flags=["--version"],
    default_parameter=Parameter(converter=exactly),
    suppress_keyboard_interrupt=False,  # else Ctrl-C would end the program before `main` can say what comes next
)


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 a mistake of the user's, 130 interrupted."""
    # Commands import torch only when they run, so that --help answers at once.
    from notbugs.app import (  # noqa: F401  (they register the commands)
        auditing,
        corrupting,
        demonstrating,
        drawing,
        making,
        reading,
        studying,
        teaching,
    )

    words = list(sys.argv[1:] if tokens is None else tokens)
    if any("\0" in word for word in words):
        fail("a word of the command line holds a zero byte; leave it out", code=2)
    if ranks_of_torchrun().several and words[:1] != ["train"]:
        fail("torchrun is for train alone; other commands take --on ray", code=2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end, as by Ctrl-C
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, NotbugsError) as error:
        fail(str(error), code=2)
    except KeyboardInterrupt:
        fail("stopped; the same command goes on with what was finished", code=STOPPED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        sys.exit(141)
    except OSError as error:
        _fail_in_a_store(error, words)
        where = f" {error.filename}:" if error.filename else ""
        fail(f"{where} {error.strerror or error}".strip(), code=2)
    except Exception as error:  # whatever a stranger's model raises
        from notbugs.room import is_out_of_memory

        if not is_out_of_memory(error):
            _fail_in_a_store(error, words)
            _fail_in_the_users_code(error)
            raise
        fail("out of memory; choose a smaller --arch, --batch-size or data set", code=2)
    _end_rank(0)


def _fail_in_a_store(error: Exception, words: Sequence[str]) -> None:
    """One line, if a client of an object store raised it: each has classes of errors of its own."""
    parts = {
        part for frame in traceback.extract_tb(error.__traceback__) for part in Path(frame.filename).parts
    }
    if parts.isdisjoint(CLIENTS):
        return
    said = " ".join(str(error).split())[:200] or type(error).__name__
    urls = " or ".join(word for word in words if "://" in word) or "a store"
    fail(f"{urls} cannot be reached: {said}; check the URL, and the store's credentials", code=2)


def _fail_in_the_users_code(error: Exception) -> None:
    """One line, if the error arose in a file of the user's, or in what that called, and not in ours."""
    if place := users_place(error):
        said = " ".join(f"{type(error).__name__}: {error}".split())
        fail(f"the model raised {said} ({place})", code=2)


def fail(message: str, *, code: int) -> None:
    """One line on stderr, and the exit code. Of several ranks the first speaks; another does if it fails alone."""
    ranks, rank = ranks_of_torchrun(), ""
    if not ranks.is_first:
        if code == STOPPED:
            _end_rank(code)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from torchrun, as soon as the first has ended
        time.sleep(PATIENCE)
        rank = f"rank {ranks.rank}: "
    print(f"notbugs: {rank}{_plain(message)}", file=sys.stderr)  # noqa: T201
    _end_rank(code)
    sys.exit(code)


def _end_rank(code: int) -> None:
    """End one of several ranks at once: else threads of gloo may abort it, and torchrun would start all again."""
    if ranks_of_torchrun().several:
        sys.stdout.flush()
        sys.stderr.flush()
        forget_copies()
        os._exit(code)


def _plain(message: str) -> str:
    """One line of bounded length, without what a terminal would take for a command: names in it are anybody's."""
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(message.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
