"""Work in parts that depend on nothing that was made before, so that they can be made anywhere and in any order."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from notbugs.progress import Progress

Make = Callable[[int, Progress], Mapping[str, Tensor]]
"""Makes part `index`: tensors by name."""

Made = Callable[[Make, Sequence[int], Callable[[int], Progress]], Iterator[tuple[int, Mapping[str, Tensor]]]]
"""Has parts made, wherever; they come with their numbers, in any order."""


def made_here(
    make: Make, indices: Sequence[int], inside: Callable[[int], Progress]
) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    """One after the other; `inside` gives the progress of what happens in one.

    >>> import torch
    >>> from notbugs.progress import silent
    >>> squares = made_here(lambda index, _: {"square": torch.tensor(index**2)}, [2, 3], lambda _: silent)
    >>> [(index, int(part["square"])) for index, part in squares]
    [(2, 4), (3, 9)]
    """
    for index in indices:
        yield index, make(index, inside(index))


__all__ = ["Made", "Make", "made_here"]
