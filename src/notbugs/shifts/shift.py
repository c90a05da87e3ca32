"""What every shift is: a frozen value that changes images without looking at any model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from notbugs.tensors import Images


class Shift(ABC):
    """A change of images. Subclasses are final frozen values; `str` of one tells it from all others, and is
    read again by `parse_shift` if it needs no data."""

    @abstractmethod
    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        """The images changed, in [0, 1].

        What is drawn for an image, if anything, depends on `seed` and on its place in its data set (`indices`; by
        default 0, 1, ...), not on the images beside it.
        """

    @abstractmethod
    def __str__(self) -> str:
        """How a person writes it."""


__all__ = ["Shift"]
