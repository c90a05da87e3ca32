"""The command line, called as a user calls it but in this process, where it is quick; and a browser."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.machines import Machines

from notbugs.app.cli import main
from notbugs.models import build, save_model


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def notbugs(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(*tokens: str | Path) -> Outcome:
        code = 0
        try:
            main([str(token) for token in tokens])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(found).exists():
            pytest.skip("no Chromium on this machine")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Machines]:
    """A machine of one core, and whatever a test adds."""
    pytest.importorskip("ray", reason="Ray is not installed")
    machines = Machines()
    yield machines
    machines.end()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(build("convnet-8-8-8-8", classes=10, seed=0), path)
    return path
