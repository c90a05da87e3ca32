"""Training without labels: what two views of an image have in common, against all other images of the batch."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from notbugs.errors import require_positive


@final
@dataclass(frozen=True)
class Contrast:
    """SimCLR (Chen et al. 2020, equation 1): the head's outputs for two views of an image are to lie nearer to each
    other than to those of any other view in the batch, by cosine over `temperature`. The head, a linear projection,
    is for this only; what is kept is the features before it.
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        require_positive("temperature", self.temperature)

    def loss(self, projected: Float[Tensor, "views width"]) -> tuple[Tensor, Tensor]:
        """The mean loss, and for each view whether its partner is its nearest; the partner of i is i + views / 2.

        >>> views = torch.eye(3).repeat(2, 1)
        >>> loss, found = Contrast(temperature=0.1).loss(views)
        >>> round(float(loss), 4), found.tolist()
        (0.0002, [True, True, True, True, True, True])
        """
        n = len(projected)
        near = functional.normalize(projected.float(), dim=1)
        alike = near @ near.T / self.temperature
        alike.fill_diagonal_(-torch.inf)
        partners = (torch.arange(n, device=projected.device) + n // 2) % n
        return functional.cross_entropy(alike, partners), alike.detach().argmax(1) == partners


__all__ = ["Contrast"]
