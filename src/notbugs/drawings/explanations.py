"""Drawings that explain an answer: the smallest change to another one, and where the model looks."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from notbugs.audits.counterfactual import Counterfactuals, changed_features, counterfactuals, linear_head
from notbugs.audits.saliency import saliency_maps
from notbugs.drawings.task import Artist, Row, Sheet, Task
from notbugs.errors import NotbugsError, require_positive
from notbugs.models import frozen
from notbugs.synthesis import Pace, morph
from notbugs.tensors import Images, Labels

SWEEP = 40
"""Steps within each budget."""

BRIGHTEST = 0.99
"""The quantile of a map that is shown white: a single pixel would leave the others black."""


@final
@dataclass(frozen=True, kw_only=True)
class Counterfactual(Task):
    """The smallest change, of L2 length `eps` at most in pixel units, after which the model says another class.

    Beside it what the class looks like when more may change: as far towards it as each budget of `within` allows, of
    images of 32 pixels. An image that is taken for the class as it is counts with a distance of 0.
    """

    name: ClassVar[str] = "counterfactual"
    about: ClassVar[str] = "The smallest change of each image after which the model says another class."

    to: str = ""
    eps: float = 20.0
    steps: int = 100
    within: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)

    def __post_init__(self) -> None:
        for eps in self.within:
            require_positive("a budget of within", eps)

    def draw(self, artist: Artist) -> Sheet:
        images, targets = artist.data.images, artist.targets(self.to)
        found = counterfactuals(
            artist.model, images, targets, eps=self.eps, steps=self.steps, progress=artist.progress
        )
        if not bool(found.changed.any()):
            raise NotbugsError(f"no change within L2 {self.eps:g} was enough; give a larger eps")
        change = found.images - images
        sizes = tuple(f"L2 {size:.2g}" for size in found.sizes.tolist())
        swept = dict(self._towards(artist, targets, eps) for eps in self.within)
        with frozen(artist.model), torch.no_grad():
            turned = {eps: artist.model(shown).argmax(1) == targets for eps, shown in swept.items()}
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.answers(images)),
                Row(title="Changed", images=found.images, captions=artist.answers(found.images)),
                Row(
                    title="Change",
                    images=shown_change(change),
                    note="as strong as it can be shown around grey",
                    captions=sizes,
                ),
                Row(
                    title="Where",
                    images=shown_map(found.change().sqrt()),
                    note="and the features that did most of it" if linear_head(artist.model) else "",
                    captions=_features(artist, found),
                ),
                *(
                    Row(title=f"Within L2 {eps:.3g}", images=shown, captions=artist.answers(shown))
                    for eps, shown in swept.items()
                ),
            ),
            path=tuple(images + share * change for share in torch.linspace(0, 1, max(2, artist.frames + 1))),
            measured={
                "distance": found.sizes[found.found],
                "found": found.found,
                **{f"turned_within_{eps:.3g}": there for eps, there in turned.items()},
            },
        )

    def _towards(self, artist: Artist, targets: Labels, eps: float) -> tuple[float, Images]:
        """The budget for images of this size, and what they become within it."""
        ascent = morph(artist.model, artist.data.images, targets, pace=Pace.within(eps, steps=SWEEP))
        return ascent.pace.eps, artist.drawn(ascent).images


@final
@dataclass(frozen=True, kw_only=True)
class Saliency(Task):
    """Where a small change moves the answer most."""

    name: ClassVar[str] = "saliency"
    about: ClassVar[str] = "Where the model looks: input gradients, SmoothGrad, integrated gradients."

    def draw(self, artist: Artist) -> Sheet:
        model, images, labels = artist.model, artist.data.images, artist.data.labels
        maps = saliency_maps(model, images, labels, generator=artist.generator(self.name))
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.captions),
                Row(title="Input gradient", images=shown_map(maps["gradient"])),
                Row(title="SmoothGrad", images=shown_map(maps["smooth"])),
                Row(title="Integrated gradients", images=shown_map(maps["integrated"])),
            )
        )


def _features(artist: Artist, found: Counterfactuals) -> tuple[str, ...]:
    """Which features carried each change, as in "12: 40 %, 3: 9 %", of the way between the two logits."""
    if linear_head(artist.model) is None:
        return ()
    units, shares = changed_features(artist.model, found, count=2)
    return tuple(
        ", ".join(f"{unit}: {100 * share:.0f} %" for unit, share in zip(*one, strict=True)) if there else ""
        for there, *one in zip(found.changed.tolist(), units.tolist(), shares.tolist(), strict=True)
    )


def shown_change(change: Images) -> Images:
    """Changes around grey, each as strong as it can be shown."""
    return 0.5 + 0.5 * change / change.abs().flatten(1).amax(1).clamp_min(1e-6).view(-1, 1, 1, 1)


def shown_map(maps: torch.Tensor) -> Images:
    """Maps (images, height, width) as grey pictures, each by its own brightest pixels."""
    brightest = maps.flatten(1).quantile(BRIGHTEST, dim=1).clamp_min(1e-12).view(-1, 1, 1)
    return (maps / brightest).clamp(0, 1)[:, None].expand(-1, 3, -1, -1)


__all__ = ["Counterfactual", "Saliency", "shown_change", "shown_map"]
