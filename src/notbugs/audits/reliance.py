"""What a model relies on: its accuracy when a family of features is taken away, and when it is all that is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import Feature, PlantedTruth, truth_of
from notbugs.shifts import Band, OnlyColour, Shift, Shuffled, WithoutColour, WithoutTexture
from notbugs.tensors import Images


@final
@dataclass(frozen=True)
class Planted(Shift):
    """A planted feature taken away, or left alone of the planted ones: what lies along its directions is known.

    >>> from notbugs import load
    >>> images = load("planted", split="test").first(2).images
    >>> without = Planted(PlantedTruth(), "robust", kept=False)(images)
    >>> bool(PlantedTruth().matched_filter("robust")(without).abs().max() < 1e-4)
    True
    """

    truth: PlantedTruth
    feature: Feature
    kept: bool

    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        gone = [one for one in planted_features(self.truth) if (one == self.feature) != self.kept]
        flat = images.flatten(1)
        for feature in gone:
            directions = self.truth.directions(feature).flatten(1).to(images)
            flat = flat - ((flat - 0.5) @ directions.T) @ directions
        return flat.view_as(images).clamp_(0, 1)

    def __str__(self) -> str:
        return f"{'only' if self.kept else 'without'}-{self.feature}"


@final
@dataclass(frozen=True)
class Ablation:
    """A family of features: what takes it away, what leaves it alone (or as much of that as can be done)."""

    name: str
    removed: Shift
    kept: Shift


SMALLEST = 8
"""Images of fewer pixels to a side have no patches to shuffle and nothing to smooth."""


def ablations(data: LabeledImages) -> tuple[Ablation, ...]:
    """The families that reliance is measured on: frequencies, shape, texture, colour; on planted data its features.

    Frequencies are divided at patterns of four pixels, half of what the images can hold. Patches in random order have
    their texture and no shape; under a median filter the shapes are left and no texture.

    >>> from notbugs import load
    >>> [one.name for one in ablations(load("planted").first(3))]
    ['robust', 'nonrobust', 'low frequencies', 'high frequencies', 'shape', 'texture', 'colour']
    """
    height, width = data.images.shape[2:]
    cut = min(height, width) / 4
    low, high = Band(high=cut), Band(low=cut)
    side = max(3, 2 * round(min(height, width) * 5 / 64) + 1)
    smooth, shuffled = WithoutTexture(side), Shuffled(4)
    general = [
        Ablation("low frequencies", removed=high, kept=low),
        Ablation("high frequencies", removed=low, kept=high),
        Ablation("shape", removed=shuffled, kept=smooth),
        Ablation("texture", removed=smooth, kept=shuffled),
        Ablation("colour", removed=WithoutColour(), kept=OnlyColour()),
    ]
    if data.images.shape[1] != 3:
        general = [one for one in general if one.name != "colour"]
    if min(height, width) < SMALLEST:
        general = [one for one in general if one.name not in ("shape", "texture")]
    truth = truth_of(data)
    return (*(_planted_ablations(truth) if truth else ()), *general)


def planted_features(truth: PlantedTruth) -> tuple[Feature, ...]:
    """The names of what was planted."""
    return ("robust", "nonrobust", "spurious") if truth.spurious else ("robust", "nonrobust")


def _planted_ablations(truth: PlantedTruth) -> tuple[Ablation, ...]:
    return tuple(
        Ablation(feature, removed=Planted(truth, feature, False), kept=Planted(truth, feature, True))
        for feature in planted_features(truth)
    )


__all__ = ["Ablation", "Planted", "ablations"]
