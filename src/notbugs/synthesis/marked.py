"""Changes held to some pixels of each image: holes to fill, places to paint."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Bool
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.tensors import Images
from notbugs.threats import L2, Restricted
from notbugs.threats.families import Family

Marks = Bool[Tensor, "images height width"]
"""Which pixels of each image may change."""


@final
@dataclass(frozen=True, eq=False)
class Marked(Family):
    """Changes of the marked pixels of each image; one mask for all, or one each.

    Raises NotbugsError for changes of another size.

    >>> import torch
    >>> marks = torch.tensor([[[True, False]]])
    >>> Marked(marks).keep(torch.ones(1, 3, 1, 2))[0, 0].tolist()
    [[1.0, 0.0]]
    """

    marks: Marks

    def keep(self, changes: Images) -> Images:
        if self.marks.shape[1:] != changes.shape[2:] or len(self.marks) not in (1, len(changes)):
            raise NotbugsError(
                f"marks of shape {tuple(self.marks.shape)} do not fit {len(changes)} images of "
                f"{tuple(changes.shape[2:])} pixels: give one mask, or one for each image"
            )
        return changes * self.marks[:, None].to(changes)

    def of(self, ball: L2) -> Restricted:
        """The changes within the ball that are of the marked pixels."""
        return Restricted(ball, self)

    def __str__(self) -> str:
        return "marked"


__all__ = ["Marked", "Marks"]
