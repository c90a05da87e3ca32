"""An attack that sees outputs only: gradients estimated from differences of outputs (Ilyas et al. 2018, NES)."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch

from notbugs.attacks.ascent import projected_ascent
from notbugs.attacks.objectives import LOSSES, LabelObjective, RowObjective
from notbugs.errors import NotbugsError, require_positive, unknown
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import Threat


@final
@dataclass(frozen=True, kw_only=True)
class EstimatedGradient:
    """`objective` with its values as they are and a gradient that is estimated from values alone.

    The estimate is the mean over `pairs` Gaussian directions u of (f(x + sigma u) - f(x - sigma u)) u / (2 sigma)
    (Ilyas et al. 2018, section 2.1). Every image has directions of its own. On a linear objective of d inputs
    the estimate is right on average, and its squared cosine to the gradient is Beta(pairs / 2, (d - 1) / 2)
    distributed: pairs / (pairs + d - 1) on average.

    Samples are brought into the pixel box, where a model is defined: a pixel at its end is only ever moved
    inwards. By Stein's lemma that shrinks its share of the estimate to the probability that its sample stays
    inside, which is divided out again. At most `batch_size` images are shown to the objective in one call, so
    memory does not grow with `pairs`.

    >>> from notbugs.seeds import generator
    >>> line = LabelObjective(lambda shown: shown.flatten(1), torch.tensor([0]), LOSSES["margin"])
    >>> objective = EstimatedGradient(objective=line, pairs=2000, sigma=0.01, generator=generator(0))
    >>> images = torch.full((1, 1, 1, 2), 0.5, requires_grad=True)
    >>> torch.autograd.grad(objective(images), images)[0].flatten().round().tolist()
    [-1.0, 1.0]
    """

    objective: RowObjective
    pairs: int
    sigma: float
    generator: torch.Generator
    batch_size: int = 512

    def __call__(self, images: Images) -> PerExample:
        with torch.no_grad():
            values = self.objective(images)
        return self._with_slopes(images, values, torch.arange(len(images), device=images.device))

    def values_and_leads(self, images: Images) -> tuple[PerExample, PerExample]:
        """A finished image gets no gradient: its search is over, and samples are what costs."""
        with torch.no_grad():
            values, leads = self.objective.values_and_leads(images)
        return self._with_slopes(images, values, (~(leads > 0)).nonzero()[:, 0]), leads

    def take(self, rows: torch.Tensor) -> "EstimatedGradient":
        return replace(self, objective=self.objective.take(rows))

    def _with_slopes(self, images: Images, values: PerExample, rows: torch.Tensor) -> PerExample:
        if not (torch.is_grad_enabled() and images.requires_grad):
            return values
        slopes = torch.zeros_like(images)
        parts = rows.split(max(1, self.batch_size // 2)) if len(rows) > 0 else ()  # a pair is two images
        for some in parts:
            slopes[some] = self._slopes(images.detach()[some], some)
        # Added is a zero whose gradient is the estimate: the engine climbs it like any other.
        return values + ((images - images.detach()) * slopes).flatten(1).sum(1)

    @torch.no_grad()
    def _slopes(self, images: Images, rows: torch.Tensor) -> Images:
        total = torch.zeros_like(images).flatten(1)
        at_once = max(1, self.batch_size // (2 * len(rows)))
        for begin in range(0, self.pairs, at_once):
            pairs = min(at_once, self.pairs - begin)
            u = torch.randn(
                (pairs, *images.shape), generator=self.generator, device=images.device, dtype=images.dtype
            )
            shown = torch.cat([images + self.sigma * u, images - self.sigma * u]).clamp_(0, 1)
            values = self.objective.take(rows.repeat(2 * pairs))(shown.flatten(0, 1))
            plus, minus = values.to(u.dtype).view(2, pairs, len(rows))
            total += torch.einsum("pb,pbd->bd", plus - minus, u.flatten(2))
        stays = torch.special.ndtr((1 - images) / self.sigma) - torch.special.ndtr(-images / self.sigma)
        return total.view_as(images) / (2 * self.sigma * self.pairs * stays)


@final
@dataclass(frozen=True, kw_only=True)
class NES:
    """PGD that is never shown a gradient: it asks the model for logits and nothing else.

    Each of `steps` steps asks for `samples` images around the present one, in antithetic pairs at distance `sigma`
    (pixel units, per value), and moves by `step_size`: steps * (samples + 1) + 1 outputs an image at most. It starts
    at the image, which leaves the batch at its first success. The paper takes samples 50, sigma 0.001. The search
    is on the margin unless told otherwise: where a model is sure, cross-entropy in float32 is flat, and a
    difference of two outputs is 0. `sigma` must be larger than the model's own roundings: of its input, if it
    quantises that, and of its logits, if it computes in bfloat16 (0.01 rather than 0.001). It tells a model that
    resists from one that only hides its gradients.

    Raises NotbugsError for values that make no search.

    >>> from notbugs.threats import L2
    >>> str(NES(threat=L2(0.5), steps=100, step_size=0.05))
    'nes-margin:l2:0.5:100x50'
    """

    exact: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = False
    threat: Threat
    steps: int
    step_size: float
    samples: int = 50
    sigma: float = 0.001
    targeted: bool = False
    loss: str = "margin"
    batch_size: int = 512

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise NotbugsError(f"NES needs steps >= 1, got {self.steps}")
        if self.samples < 2 or self.samples % 2:
            raise NotbugsError(f"NES samples in pairs: give an even number >= 2, got samples={self.samples}")
        if not 0 < self.sigma <= 1:
            raise NotbugsError(
                f"sigma is a distance between pixel values: give 0 < sigma <= 1, got {self.sigma}"
            )
        require_positive("step_size", self.step_size)
        require_positive("batch_size", self.batch_size)
        if self.loss not in LOSSES:
            raise unknown("loss", self.loss, LOSSES)

    def __str__(self) -> str:
        loss = "" if self.loss == "cross_entropy" else f"-{self.loss}"
        kind = ("-targeted" if self.targeted else "") + loss
        return f"nes{kind}:{self.threat}:{self.steps}x{self.samples}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`; `labels` are the true ones, or the targets when targeted."""
        objective = EstimatedGradient(
            objective=LabelObjective(model, labels, LOSSES[self.loss], self.targeted),
            pairs=self.samples // 2,
            sigma=self.sigma,
            generator=generator,
            batch_size=self.batch_size,
        )
        with frozen(model):
            return projected_ascent(
                objective,
                images,
                threat=self.threat,
                centers=images,
                steps=self.steps,
                step_size=self.step_size,
                stop_when_finished=True,
            )
