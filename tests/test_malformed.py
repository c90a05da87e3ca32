"""Malformed and unexpected input: one line, nothing run, nothing written elsewhere; the table is `malformed`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from malformed.entries import ENTRIES
from malformed.entry import ACCEPTED
from malformed.runner import FUZZED

from notbugs.data import load
from notbugs.errors import NotbugsError
from notbugs.threats import parse_threat

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS, MOST_MEMORY = 8, 10**9


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What came of every entry: one process, for all of them."""
    paths = (ROOT / "src", ROOT / "tests", ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "malformed.runner", str(tmp_path_factory.mktemp("malformed"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {outcome["name"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}


def test_there_are_many():
    assert len(ENTRIES) >= 1000, "as docs/scaling.md says"


@pytest.mark.parametrize("name", ENTRIES, ids=range(len(ENTRIES)))
def test_it_is_one_line_and_does_no_harm(found, name):
    entry, outcome = ENTRIES[name], found[name]
    err = outcome["stderr"]
    assert outcome["code"] in entry.codes, (name, outcome)
    assert "Traceback" not in err + outcome["stdout"], name
    if outcome["code"]:
        assert err.startswith("notbugs: "), name
        assert err.endswith("\n"), name
        assert err[:-1].isprintable(), name  # one line, and no command to a terminal
    if 0 not in entry.codes and "--epochs=" not in name:
        assert ACCEPTED not in err, f"{name}: read as if nothing were wrong with it"
    assert [event for event in outcome["events"] if not event.startswith(entry.allowed or ("\0",))] == [], (
        name
    )
    assert outcome["seconds"] <= MOST_SECONDS, (name, outcome["seconds"])
    assert outcome["growth"] <= MOST_MEMORY, (name, outcome["growth"])


REPORTS = [name for name, entry in ENTRIES.items() if entry.argv == ("report", "run")]


def test_no_report_holds_markup_of_others(found):
    """The runner keeps the pages: what the entries wrote into JSON stays text."""
    pages = [found[name]["page"] for name in REPORTS if found[name]["page"]]
    assert len(pages) > 20
    assert not any("<script>alert" in page or "<img src=x" in page for page in pages)


def test_nothing_but_notbugs_error_comes_of_changed_inputs(found):
    parsers = found[FUZZED]["parsers"]
    assert len(parsers) >= 15
    for name, row in parsers.items():
        assert row["unexpected"] == {}, name
        assert row["tried"] == row["accepted"] + row["refused"] > 0


@pytest.mark.parametrize(("parse", "text"), [(parse_threat, "l2:1@mask:a\0.png"), (load, "folder:a\0b")])
def test_what_the_fuzzer_found_is_refused(parse, text):
    with pytest.raises(NotbugsError):
        parse(text)
