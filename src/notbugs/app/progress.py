"""Progress for people: one bar a stage on stderr, with speed and remaining time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from notbugs.execution import Watch
from notbugs.progress import Progress, silent


@contextmanager
def watching(*, quiet: bool) -> Iterator[Watch]:
    """Bars on a terminal, one line a stage elsewhere (a log, CI), nothing when quiet."""
    if quiet:
        yield lambda stage: silent
    elif not sys.stderr.isatty():
        yield _line_for
    else:
        columns = (
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=Console(stderr=True)) as bars:

            def bar_for(stage: str) -> Progress:
                task = bars.add_task(stage, total=None, note="", visible=False)

                def report(done: int, total: int, note: str) -> None:
                    bars.update(task, completed=done, total=total, note=note, visible=True)

                return report

            yield bar_for


def _line_for(stage: str) -> Progress:
    """A line when a stage begins, every half minute, and when it ends."""
    started = last = time.monotonic()
    ended = False

    def report(done: int, total: int, note: str) -> None:
        nonlocal last, ended
        now, is_end = time.monotonic(), done == total
        if (is_end and ended) or (not is_end and now - last < 30):
            ended = is_end
            return
        last, ended = now, is_end
        is_known = 0 < done < total  # who waits for another process has done nothing yet
        left = f", {(now - started) / done * (total - done):.0f} s left" if is_known else ""
        said = f" ({note})" if note else ""
        print(f"{stage}: {done}/{total} in {now - started:.0f} s{left}{said}", file=sys.stderr)  # noqa: T201

    return report
