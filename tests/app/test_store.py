"""Run directories and sources in an object store: what would be on disk is there, also after a kill."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from benchmarks.contents import contents

from notbugs.data import export, load
from notbugs.models import build, save_model

FETCH = """
import sys
from pathlib import Path
from notbugs.locations import location
root = location(sys.argv[1])
for path in root.glob("**/*"):
    if path.is_file():
        copy = Path(sys.argv[2]) / path.as_posix().removeprefix(root.as_posix()).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
"""

COMMANDS = """
import contextlib, io, sys
from notbugs.app.cli import main
def notbugs(*tokens):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main([*tokens, "--quiet"])
    print(said.getvalue())
    return said.getvalue().rpartition("\\n")[0].rpartition("\\n")[2].removesuffix("/report.html")
out = ["--out", sys.argv[1]]
model = notbugs("train", "--data", "digits", "--arch", "convnet-8-8-8-8", "--epochs", "1", *out)
built = notbugs("build", "det", "--data", "digits", "--model", model, "--steps", "2", *out)
notbugs("train", "--data", f"built:{built}", "--arch", "linear", "--epochs", "1", *out)
notbugs("report", built)
notbugs("audit", model, "--data", "digits", "--suite", "quick", "--n", "40", "--sections", "regions", *out)
"""

STUDY = """
import sys
from notbugs.data import load
from notbugs.locations import location
from notbugs.study import run_study
sys.path.insert(0, sys.argv[2])
from miniature import miniature
data, test = load("planted").first(400), load("planted", split="test").first(100)
run_study(miniature(), data, test, root=location(sys.argv[1]), seed=0)
"""


@dataclass(frozen=True)
class Store:
    """An S3 server of our own, with a bucket."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *command: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *command: object) -> str:
        process = self.start(*command)
        said, errors = process.communicate()
        assert process.returncode == 0, errors
        return said

    def put(self, name: str, content: bytes = b"") -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/bucket{name}",
            data=content,
            method="PUT",
            headers={"Content-Type": "application/octet-stream"},
        )
        urllib.request.urlopen(request, timeout=60).close()

    def files(self, root: str, to: Path) -> dict[str, Any]:
        self.run("-c", FETCH, root, to)
        return contents(to)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], **quiet)
    made = Store(port)
    for _ in range(300):
        try:
            made.put("")
            break
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    yield made
    server.kill()
    server.wait()


def test_models_data_sets_and_audits_are_the_files_that_would_be_here(tmp_path: Path, store: Store) -> None:
    said = {
        root: store.run("-c", COMMANDS, root).replace(root, "")
        for root in ("s3://bucket/runs", str(tmp_path / "here"))
    }
    there, here = store.files("s3://bucket/runs", tmp_path / "there"), contents(tmp_path / "here")
    # An audit's config says where the model lies, and its name is the digest of that.
    same = [name for name in here if not name.startswith("audit-")]
    assert {name: there[name] for name in same} == {name: here[name] for name in same}
    assert len(same) > 8
    assert len(there) == len(here)
    first, second = (text.split("/audit-")[0] for text in said.values())
    assert first == second


def test_a_study_goes_on_in_the_store_after_a_kill(tmp_path: Path, store: Store) -> None:
    script = ["-c", STUDY]
    for done in (3, 12):
        begun = store.start(*script, "s3://bucket/study", Path(__file__).parent)
        while begun.poll() is None and len(stages(store)) < done:
            time.sleep(0.1)
        assert begun.poll() is None, "it was finished before it was killed"
        begun.send_signal(signal.SIGKILL)
        begun.communicate()
    store.run(*script, "s3://bucket/study", Path(__file__).parent)
    store.run(*script, tmp_path / "here", Path(__file__).parent)
    assert store.files("s3://bucket/study", tmp_path / "there") == contents(tmp_path / "here")


def stages(store: Store) -> list[str]:
    """What lies in the store and is done."""
    listing = urllib.request.urlopen(
        f"http://127.0.0.1:{store.port}/bucket?prefix=study&max-keys=1000", timeout=10
    )
    with listing:
        return [key for key in listing.read().decode().split("<Key>") if "/result.json<" in key]


def test_images_in_a_store_are_those_here(tmp_path: Path, store: Store) -> None:
    data = load("digits", split="test").first(120)
    export(data, tmp_path / "parquet", "parquet")
    export(data, tmp_path / "folder", "imagefolder")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            store.put(f"/data/{path.relative_to(tmp_path)}", path.read_bytes())
    script = textwrap.dedent("""
        import sys
        from notbugs.data import load
        for kind, name in (("parquet", "parquet"), ("folder", "folder")):
            here = load(f"{kind}:{sys.argv[1]}/{name}")
            for stored in (False, True):
                there = load(f"{kind}:s3://bucket/data/{name}", stored=stored)
                print(there.digest == here.digest, there.origin.name == here.origin.name)
    """)
    assert store.run("-c", script, tmp_path).split() == ["True"] * 8


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("s3://nobody/runs", "bucket does not exist"),
        ("gs://bucket/runs", "gs:// needs the package gcsfs: pip install gcsfs"),
        ("nothing://bucket/runs", "nothing:// is no object store (known: s3, s3a, gs, "),
    ],
)  # fmt: skip
def test_a_store_that_is_not_there_is_one_line(store: Store, out: str, said: str) -> None:
    process = store.start("-m", "notbugs.app", "train", "--data", "digits", "--epochs", 1, "--out", out)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert said in errors
    assert errors.count("\n") == 1


WORDS = """
import sys
from notbugs.app.cli import main
for words in sys.stdin.read().splitlines():
    try:
        main(words.split())
    except SystemExit as stop:
        print(stop.code)
"""


def test_where_nobody_answers_each_command_says_so_in_a_line(store: Store, tmp_path: Path) -> None:
    save_model(build("linear", classes=10, seed=0), tmp_path / "model.safetensors")
    there, out, model = "s3://bucket/there", f"--out {tmp_path}/runs", f"{tmp_path}/model.safetensors"
    commands = (
        f"build det --data digits --model {model} --out {there}", f"report {there}", f"export {there} --to npz",
        f"audit {there} --data digits {out}", f"audit {model} --data digits --reference {there} {out}",
        f"train --data built:{there} {out}", f"train --data parquet:{there} {out}",
        f"train --data cifar10 --data-root {there} {out}",
    )  # fmt: skip
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", WORDS], input="\n".join(commands), cwd=tmp_path,
            env={**store.environment, "AWS_ENDPOINT_URL": address, "AWS_MAX_ATTEMPTS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stdout.split() == ["2"] * len(commands)
    lines = done.stderr.splitlines()
    assert len(lines) == len(commands), done.stderr
    for line in lines:
        assert re.match(f"notbugs: .*{there}.* cannot be reached: ", line)
    assert {path.name for path in tmp_path.iterdir()} <= {"model.safetensors", "runs"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export s3://bucket/set --to npz --out s3://bucket/copy", "has to be a path of this machine"),
        ("train --data digits --out memory://runs", "nothing can be kept there; give a path, or a URL"),
        ("train --data digits --out https://host/runs", "nothing can be kept there"),
        ("train --data digits --out s3:///runs", "names nothing in the store"),
    ],
)
def test_where_nothing_can_be_written_is_refused(
    words: str, said: str, notbugs: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = notbugs(*words.split())
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
