"""Search after search, each with the images that still stand: what restarts and targets have in common."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from notbugs.tensors import Images, Mask, PerExample

AT_ONCE = 128
"""Images that searches towards targets take at once, at least: where few are left, each towards several."""


@final
@dataclass(frozen=True)
class Climb:
    """Where a search ended: the best point of each image, its value, and whether what was sought is reached there."""

    images: Images
    values: PerExample
    finished: Mask


def in_turn(
    begun: Climb, searches: Iterable[Callable[[torch.Tensor], Climb]], *, finished_too: bool = False
) -> Images:
    """The best point of each image, of `begun` and all searches: the highest value, but a success before any other.

    A search is called with the numbers of its rows: those not finished yet, or with `finished_too` all of them.

    >>> begun = Climb(torch.zeros(2, 1, 1, 1), torch.tensor([1.0, 0.0]), torch.tensor([True, False]))
    >>> search = lambda rows: Climb(torch.ones(len(rows), 1, 1, 1), torch.full((len(rows),), 2.0), rows > 5)
    >>> in_turn(begun, [search]).flatten().tolist()
    [0.0, 1.0]
    """
    found, values, finished = begun.images.clone(), begun.values.clone(), begun.finished.clone()
    for search in searches:
        rows = (torch.ones_like(finished) if finished_too else ~finished).nonzero()[:, 0]
        if len(rows) == 0:
            break
        climb = search(rows)
        higher = (climb.finished == finished[rows]) & (climb.values > values[rows])
        better = (higher | (climb.finished & ~finished[rows])).nonzero()[:, 0]
        its = rows[better]
        found[its], values[its] = climb.images[better], climb.values[better]
        finished[its] = climb.finished[better]
    return found


def best_of(climb: Climb, together: int) -> Climb:
    """Of `together` searches around the same images, laid one after the other, the best for each image."""
    each = (together, -1)
    values, finished = climb.values.view(each), climb.finished.view(each)
    best = values.where(~finished, torch.inf).argmax(0)
    rows = torch.arange(len(best), device=best.device)
    images = climb.images.view(*each, *climb.images.shape[1:])
    return Climb(images[best, rows], values[best, rows], finished[best, rows])


def towards_each(
    targets: Int[Tensor, "batch targets"],
    search: Callable[[torch.Tensor, Int[Tensor, "together rows"], int], Climb],
) -> Iterator[Callable[[torch.Tensor], Climb]]:
    """Searches for `in_turn` towards one column of `targets` after the other; where few images are left, several
    columns at once, in one batch.

    `search(rows, its, first)` goes from images[rows] towards its[0], then from the same images towards its[1], and
    so on: these are the columns from `first` on.
    """
    done = 0
    while done < targets.shape[1]:

        def towards_the_next(rows: torch.Tensor) -> Climb:
            nonlocal done
            first, done = done, min(done + max(1, AT_ONCE // len(rows)), targets.shape[1])
            return best_of(search(rows, targets[rows, first:done].T, first), done - first)

        yield towards_the_next


__all__ = ["Climb", "best_of", "in_turn", "towards_each"]
