"""The fast minimum-norm attack (Pintor et al. 2021, arXiv 2102.12827): how near is the nearest adversarial image,
or, targeted, the nearest image of a class?
"""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.balls import into_balls, order_of, unless_too_far
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.errors import NotbugsError, SearchMetNaNError, require_positive
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels
from notbugs.theory import dual_norm
from notbugs.threats import L2, Linf, Threat

LONGEST = 3.0
"""L2 length that no step exceeds: the linearised margin may put the boundary far outside the box."""

FLOOR = 1e-6
"""No first radius is smaller: below, a change is lost in the rounding of a pixel."""


@final
@dataclass(frozen=True, kw_only=True)
class FMN:
    """Search for the adversarial image with the smallest change, in the threat's norm: l1, l2 or linf (targeted: for
    the nearest image that is taken for `labels`).

    Every image has a ball of its own. The image climbs the margin inside it (paper, algorithm 1): while it stands
    the ball grows, until its first success to just beyond the place where the linearised margin is zero, and after
    it by a factor 1 + shrink; while it is fooled the ball shrinks by 1 - shrink. `step_size` and `shrink` fall along
    a cosine, to 1/100 and to 1e-3. Steps are L2 steps whatever the norm, as in the paper, but measured by the ball
    (the L2 radius of its farthest point), where the paper's have a fixed length: that fits images of any size.

    `threat` says the norm and how far an image may go: one whose nearest success lies outside comes back unchanged.
    `L2(math.inf)` leaves only the box, and `threat.size(found, images)` is then the distance: an upper bound of the
    true one, 0 for an image that is wrong as it is and for one never fooled (ask the model which). The search is
    deterministic, no image leaves it early, and it costs `steps` gradients and one forward pass more.

    Raises NotbugsError for values that make no search, for another kind of threat, and if the model answers NaN.

    >>> from notbugs.threats import Linf
    >>> def brighter(images):  # is the first value above 0.7?
    ...     return torch.stack([torch.zeros(len(images)), images[:, 0, 0, 0] - 0.7], dim=1)
    >>> attack, images = FMN(threat=Linf(math.inf), steps=50), torch.full((1, 1, 1, 2), 0.5)
    >>> found = attack(brighter, images, torch.tensor([0]), generator=torch.Generator())
    >>> str(attack), round(attack.threat.size(found, images).item(), 3)
    ('fmn:linf:inf:50', 0.2)
    """

    minimal: ClassVar[bool] = True
    threat: Threat
    steps: int = 100
    step_size: float = 1.0
    shrink: float = 0.05
    targeted: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise NotbugsError(f"FMN needs steps >= 1, got {self.steps}")
        require_positive("step_size", self.step_size)
        if not 0 < self.shrink < 1:
            raise NotbugsError(
                f"shrink is a factor of the radius and lies between 0 and 1, got {self.shrink}"
            )
        order_of(self.threat)

    def __str__(self) -> str:
        return f"fmn{'-targeted' if self.targeted else ''}:{self.threat}:{self.steps}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """The nearest images found, not taken for `labels` (targeted: taken for them), if they lie in the threat."""
        with frozen(model):
            found = self._nearest(model, images, labels)
        return unless_too_far(found, images, self.threat)

    def _nearest(self, model: Classifier, images: Images, labels: Labels) -> Images:
        objective = LabelObjective(model, labels, margin, self.targeted)
        found, current, centers = images.clone(), images.detach(), images.detach()
        rows = torch.arange(len(images), device=images.device)
        nearest = torch.full((len(images),), torch.inf, device=images.device, dtype=images.dtype)
        radii = nearest
        wide = (
            math.sqrt(math.prod(images.shape[1:])) if isinstance(self.threat, Linf) else 1.0
        )  # L2 radius over radius
        for step in range(self.steps + 1):
            climbing = step < self.steps
            with torch.set_grad_enabled(climbing):
                shown = current.detach().requires_grad_(climbing)
                values, leads = objective.values_and_leads(shown)
            gaps, fooled = -leads.to(images.dtype), leads > 0
            if climbing:
                gradients = input_gradients(values, shown)
            if step == 0:  # what is wrong as it is has its answer
                going = (~fooled).nonzero()[:, 0]
                rows, current, centers, nearest = rows[going], current[going], centers[going], nearest[going]
                gradients, gaps, fooled, radii = gradients[going], gaps[going], fooled[going], nearest
                objective = objective.take(going)
                if len(going) == 0:
                    return found
            size = self.threat.size(current, centers)
            better = (fooled & (size < nearest)).nonzero()[:, 0]
            found[rows[better]], nearest[better] = current[better], size[better]
            if not climbing:
                break
            shrink = self._annealed(self.shrink, 1e-3, step)
            reach = gaps / dual_norm(gradients, self.threat).clamp_min(torch.finfo(gaps.dtype).tiny)
            # Two logits may be equal over some way, in bfloat16 above all: the floor rises until that is left behind.
            first = (size + reach).clamp_min(FLOOR * 1.5 ** min(step, 100))
            radii = torch.where(
                fooled,
                torch.minimum(radii * (1 - shrink), nearest),
                torch.where(nearest.isfinite(), radii, first) * (1 + shrink),
            )
            length = (self._annealed(1, 0.01, step) * self.step_size * wide * radii).clamp_max(LONGEST)
            current = current + length.view(-1, 1, 1, 1) * L2(math.inf).ascent_direction(gradients)
            current = into_balls(current, centers, radii, self.threat)
        if not bool(current.isfinite().all() & ~gaps.isnan().any()):
            raise SearchMetNaNError
        return found

    def _annealed(self, first: float, last: float, step: int) -> float:
        return last + (first - last) * (1 + math.cos(math.pi * step / self.steps)) / 2
