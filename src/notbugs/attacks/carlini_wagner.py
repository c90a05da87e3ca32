"""The L2 attack of Carlini and Wagner (2017, arXiv 1608.04644, section VI): a slow search for a near image."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch

from notbugs.attacks.ascent import input_gradients
from notbugs.attacks.balls import unless_too_far
from notbugs.attacks.boundary import onto_the_boundary
from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.errors import NotbugsError, SearchMetNaNError, require_positive
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import L2, Threat

INSIDE = 1 - 1e-6
"""Pixels are drawn this much towards the middle: the ends of the box are infinitely far away in w."""

LOOKS = 10
"""A round is looked at so often; an image whose loss has not fallen by 1e-4 of itself since then leaves it."""

FEWEST_STEPS = 3
"""Between two looks: Adam's first steps swing, and one that fails to improve says nothing."""


@final
@dataclass(frozen=True, kw_only=True)
class CarliniWagner:
    """Search for the adversarial image with the smallest L2 change, in rounds of `steps` steps of Adam.

    An image is (tanh(w) + 1) / 2, so that the box needs no care, and w descends |change|^2 + c * max(0, -margin),
    the paper's f6. Between rounds each image's c grows tenfold until it is fooled, then is halved in on between the
    largest c that failed and the smallest that did not. `learning_rate` is Adam's, of w. Beyond the paper, an image
    leaves a round in which it has stopped improving, and at the end what was found is drawn to the boundary on the
    straight line to the image, to 2^-8 of its length, since Adam's steps stay long however near the boundary.

    `threat` says how far an image may go: one whose nearest success lies outside comes back unchanged.
    `L2(math.inf)` leaves only the box, and `threat.size(found, images)` is then the distance: an upper bound of the
    true one, 0 for an image that is wrong as it is and for one never fooled (ask the model which). The search is
    deterministic and costs up to `rounds * steps` gradients; FMN comes as near at a tenth of that.

    Raises NotbugsError for values that make no search, for a threat that is not L2, and if the model answers NaN.

    >>> import math
    >>> from notbugs.threats import L2
    >>> def brighter(images):  # is the first value above 0.7?
    ...     return torch.stack([torch.zeros(len(images)), images[:, 0, 0, 0] - 0.7], dim=1)
    >>> attack, images = CarliniWagner(threat=L2(math.inf), steps=100), torch.full((1, 1, 1, 2), 0.5)
    >>> found = attack(brighter, images, torch.tensor([0]), generator=torch.Generator())
    >>> str(attack), round(attack.threat.size(found, images).item(), 2)
    ('cw:l2:inf:9x100', 0.2)
    """

    minimal: ClassVar[bool] = True
    threat: Threat
    steps: int = 1000
    rounds: int = 9
    learning_rate: float = 0.01
    first_c: float = 1e-3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rounds < 1:
            raise NotbugsError(
                f"CarliniWagner needs steps >= 1 and rounds >= 1, got {self.steps} and {self.rounds}"
            )
        require_positive("learning_rate", self.learning_rate)
        require_positive("first_c", self.first_c)
        if not isinstance(self.threat, L2):
            raise NotbugsError(f"CarliniWagner minimises l2, got the threat {self.threat}; take L2 or FMN")

    def __str__(self) -> str:
        return f"cw:{self.threat}:{self.rounds}x{self.steps}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """The nearest images found that are not taken for `labels`, where they lie in the threat."""
        with frozen(model), torch.no_grad():
            found = self._nearest(LabelObjective(model, labels, margin), images.detach())
        return unless_too_far(found, images, self.threat)

    def _nearest(self, objective: LabelObjective, images: Images) -> Images:
        leads = objective.values_and_leads(images)[1]
        if bool(leads.isnan().any()):
            raise SearchMetNaNError
        fooled = leads > 0
        found, rows = images.clone(), (~fooled).nonzero()[:, 0]
        nearest = torch.where(fooled, 0.0, torch.inf).to(images.dtype)
        c = torch.full_like(nearest[rows], self.first_c)
        failed, succeeded = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(self.rounds if len(rows) > 0 else 0):
            reached, size = self._round(objective.take(rows), images[rows], c)
            better = (size < nearest[rows]).nonzero()[:, 0]
            found[rows[better]], nearest[rows[better]] = reached[better], size[better]
            hit = size.isfinite()
            failed, succeeded = torch.where(hit, failed, c), torch.where(hit, c, succeeded)
            c = torch.where(succeeded.isfinite(), (failed + succeeded) / 2, c * 10)
        return onto_the_boundary(objective, images, found)

    def _round(self, objective: LabelObjective, centers: Images, c: PerExample) -> tuple[Images, PerExample]:
        """Adam from the images themselves: each one's nearest success and its size, infinite without one."""
        found, nearest = centers.clone(), torch.full_like(c, torch.inf)
        search = _Search(
            torch.arange(len(c), device=c.device),
            centers,
            w=((2 * centers - 1) * INSIDE).atanh_(),
            first=torch.zeros_like(centers),
            second=torch.zeros_like(centers),
            before=torch.full_like(c, torch.inf),
        )
        for step in range(self.steps + 1):
            tanh = search.w.tanh()
            shown = ((tanh + 1) / 2).requires_grad_()
            with torch.set_grad_enabled(step < self.steps):
                values, leads = objective.values_and_leads(shown)
            fooled = leads > 0
            size = self.threat.size(shown.detach(), search.centers)
            better = (fooled & (size < nearest[search.rows])).nonzero()[:, 0]
            its = search.rows[better]
            found[its], nearest[its] = shown.detach()[better], size[better]
            if step == self.steps:
                break
            climb = input_gradients(values, shown)
            short = (-values.detach()).clamp_min(0).to(c.dtype)
            weight = c[search.rows] * ~fooled  # f6 is flat where the image is fooled
            slope = 2 * (shown.detach() - search.centers) - weight.view(-1, 1, 1, 1) * climb
            search.descend(slope * (1 - tanh.square()) / 2, step + 1, self.learning_rate)
            if (step + 1) % max(FEWEST_STEPS, self.steps // LOOKS) == 0:
                loss = size.square() + c[search.rows] * short
                going = (~(loss >= (1 - 1e-4) * search.before)).nonzero()[:, 0]  # NaN stays, to be seen
                search = replace(search, before=loss).take(going)
                objective = objective.take(going)
                if len(going) == 0:
                    break
        if not bool(search.w.isfinite().all()):
            raise SearchMetNaNError
        return found, nearest


@dataclass(frozen=True)
class _Search:
    """Where Adam (Kingma & Ba 2015) is with each image of a round."""

    rows: torch.Tensor
    centers: Images
    w: Images
    first: Images
    second: Images
    before: PerExample

    def descend(self, slope: Images, step: int, learning_rate: float) -> None:
        self.first.lerp_(slope, 0.1)
        self.second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        spread = (self.second / (1 - 0.999**step)).sqrt_().add_(1e-8)
        self.w.addcdiv_(self.first, spread, value=-learning_rate / (1 - 0.9**step))

    def take(self, rows: torch.Tensor) -> "_Search":
        return _Search(*(part[rows] for part in vars(self).values()))
