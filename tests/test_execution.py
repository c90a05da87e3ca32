"""Tasks side by side: their order, their errors, their reports."""

import os
import time
from functools import partial
from pathlib import Path

import pytest

from notbugs.errors import NotbugsError
from notbugs.execution import Watch, side_by_side
from notbugs.progress import Progress, silent


def note(directory: Path, name: str, watch: Watch) -> None:
    """A task: it writes when it began and when it ended."""
    report = watch(name)
    report(1, 2, "begun")
    began = time.monotonic()
    time.sleep(0.2)
    (directory / name).write_text(f"{began} {time.monotonic()}")
    report(2, 2, "ended")


def meet(directory: Path, name: str, other: str, watch: Watch) -> None:
    """A task that ends only once `other` has begun: the two run side by side, or not at all."""
    (directory / f"{name} is here").touch()
    deadline = time.monotonic() + 60
    while not (directory / f"{other} is here").exists():
        if time.monotonic() > deadline:
            raise NotbugsError(f"{other} did not begin while {name} ran")
        time.sleep(0.01)
    note(directory, name, watch)


def refuse(watch: Watch) -> None:
    raise NotbugsError("this cannot be done")


def die(watch: Watch) -> None:
    os._exit(9)  # as the kernel does to a process that took too much memory


def times(directory: Path, name: str) -> tuple[float, float]:
    began, ended = (directory / name).read_text().split()
    return float(began), float(ended)


def test_a_task_begins_when_what_it_needs_is_done(tmp_path: Path) -> None:
    reports: list[tuple[str, int]] = []
    watched: list[str] = []

    def watch(stage: str) -> Progress:
        watched.append(stage)
        return lambda done, total, note: reports.append((stage, done))

    tasks = {
        "last": partial(note, tmp_path, "last"),
        "first": partial(meet, tmp_path, "first", "free"),
        "free": partial(meet, tmp_path, "free", "first"),
        "second": partial(note, tmp_path, "second"),
    }
    after = {"last": ["first", "second"], "second": ["first"]}
    side_by_side(
        tasks, after=after, workers=2, watch=watch
    )  # "free" begins while "first" runs: it waits for nothing
    assert times(tmp_path, "first")[1] <= times(tmp_path, "second")[0]
    assert times(tmp_path, "second")[1] <= times(tmp_path, "last")[0]
    assert sorted(reports) == sorted((name, done) for name in tasks for done in (1, 2))
    assert sorted(watched) == sorted(tasks)  # one bar a stage


def test_the_error_of_a_task_is_raised_here(tmp_path: Path) -> None:
    tasks = {"wrong": refuse, "never": partial(note, tmp_path, "never")}
    with pytest.raises(NotbugsError, match="this cannot be done"):
        side_by_side(tasks, after={"never": ["wrong"]}, workers=2, watch=lambda stage: silent)
    assert not (tmp_path / "never").exists()


def test_tasks_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    tasks = {name: partial(note, tmp_path, name) for name in ("a", "b")}
    with pytest.raises(ValueError, match="wait for each other"):
        side_by_side(tasks, after={"a": ["b"], "b": ["a"]}, workers=2, watch=lambda stage: silent)


def test_a_killed_worker_is_an_error_and_not_an_endless_wait(tmp_path: Path) -> None:
    tasks = {"killed": die, "other": partial(note, tmp_path, "other")}
    with pytest.raises(NotbugsError, match="a worker process was killed"):
        side_by_side(tasks, after={}, workers=2, watch=lambda stage: silent)
