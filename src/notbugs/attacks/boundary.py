"""Where the line from an image through its adversarial image crosses the boundary: a search's last step.

A search in bfloat16 ends on its own boundary, a little before or behind that of the model itself.
"""

import torch

from notbugs.attacks.objectives import RowObjective
from notbugs.tensors import Images

SHARES = (1.0, 1 - 2**-5, 1 + 2**-6, 1 + 2**-4, 1 + 2**-2)
"""Where on the line a success is looked for first, in units of what was found: mostly that lies close by."""

PRECISION = 2**-8


@torch.no_grad()
def onto_the_boundary(objective: RowObjective, images: Images, found: Images) -> Images:
    """A success on the line from each image through what was found for it, or a little beyond, with a failure just
    before it, within 2^-8 of the length; what was found itself where there is none, or where it is the image.

    >>> from notbugs.attacks.objectives import LabelObjective
    >>> def brighter(images):  # is the first value above 0.7?
    ...     return torch.stack([torch.zeros(len(images)), images[:, 0, 0, 0] - 0.7], dim=1)
    >>> grey, found = torch.full((2, 1, 1, 2), 0.5), torch.tensor([0.69, 0.9]).view(2, 1, 1, 1).expand(2, 1, 1, 2)
    >>> drawn = onto_the_boundary(LabelObjective(brighter, torch.zeros(2).long()), grey, found)
    >>> [round(value, 2) for value in drawn[:, 0, 0, 0].tolist()]
    [0.7, 0.7]
    """

    def at(shares: torch.Tensor, rows: torch.Tensor) -> Images:
        return torch.lerp(images[rows], found[rows], shares.view(-1, 1, 1, 1)).clamp_(0, 1)

    def succeeds(shares: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return objective.take(rows).values_and_leads(at(shares, rows))[1] > 0

    low, high = images.new_zeros(len(images)), images.new_full((len(images),), torch.inf)
    changed = (found != images).flatten(1).any(1)
    for share in SHARES:
        rows = (changed & (high.isinf() if share >= 1 else high == 1)).nonzero()[:, 0]
        if len(rows) > 0:
            hit = succeeds(high.new_full((len(rows),), share), rows)
            high[rows[hit]], low[rows[~hit]] = share, share
    while len(rows := (high.isfinite() & (high - low > PRECISION)).nonzero()[:, 0]) > 0:
        middle = (low[rows] + high[rows]) / 2
        hit = succeeds(middle, rows)
        high[rows[hit]], low[rows[~hit]] = middle[hit], middle[~hit]
    moved = (high.isfinite() & (high != 1)).nonzero()[:, 0]
    drawn = found.clone()
    drawn[moved] = at(high[moved], moved)
    return drawn


__all__ = ["onto_the_boundary"]
