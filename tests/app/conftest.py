"""The command line, called as a user calls it but in this process, where it is quick."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from notbugs.app.cli import main


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
