"""The planted data sets: images whose robust, non-robust and spurious features are known, with their closed forms.

Each image is grey + a 1/f background + norm_r * u[r] + norm_n * v[n]. u are smooth shapes of at most 3 cycles, v
fine patterns of 10 to 15 cycles; all are orthonormal. r and n equal the label with probability p_r and p_n and
are otherwise one of the other classes. The background is orthogonal to every u and v and nothing is clipped, so
that the inner products with u (v) give r (n) exactly, and truth about attacks is geometry.
"""

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, final

import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.errors import NotbugsError, require_positive
from notbugs.hardware import one_thread
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Logits

Feature = Literal["robust", "nonrobust", "spurious"]

SHAPES, PATTERNS = (0.5, 3.0), (10.0, 15.0)
"""The bands of the robust and the non-robust features, in cycles per image."""


@final
@dataclass(frozen=True, kw_only=True)
class PlantedTruth:
    """What was planted, and the right answers that follow. Norms and eps are L2 in [0, 1] pixel units.

    >>> truth = PlantedTruth()
    >>> truth.accuracy_of("robust", eps=0.5), truth.accuracy_of("nonrobust", eps=0.5)
    (0.9, 0.0)
    """

    classes: int = 10
    image_size: int = 32
    p_robust: float = 0.9
    p_nonrobust: float = 0.97
    norm_robust: float = 6.0
    norm_nonrobust: float = 0.4
    background: float = 0.06  # root mean square of the background, before it gives way to the box
    spurious: bool = False
    p_spurious: float = 0.98  # in training, more than any other feature; at chance in the test set
    norm_spurious: float = 1.0
    seed: int = 0  # of the features themselves, shared by training and test set

    def __post_init__(self) -> None:
        for name in ("p_robust", "p_nonrobust", "p_spurious"):
            if not 0 <= getattr(self, name) <= 1:
                raise NotbugsError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("norm_robust", "norm_nonrobust", "norm_spurious"):
            require_positive(name, getattr(self, name))
        if not 0 <= self.background < 0.5:
            raise NotbugsError(f"background must lie in [0, 0.5), got {self.background}")
        room = min(_dimensions(self.image_size, *band) for band in (SHAPES, PATTERNS))
        if not 2 <= self.classes <= room:
            raise NotbugsError(
                f"classes must be 2 to {room}, the orthogonal features that fit into images of {self.image_size} "
                f"pixels, got {self.classes}"
            )

    def probability(self, feature: Feature) -> float:
        """How often the feature's class is the label (in the training set, for the spurious one)."""
        return {"robust": self.p_robust, "nonrobust": self.p_nonrobust, "spurious": self.p_spurious}[feature]

    def norm(self, feature: Feature) -> float:
        """The L2 length with which the feature is added."""
        norms = {"robust": self.norm_robust, "nonrobust": self.norm_nonrobust, "spurious": self.norm_spurious}
        return norms[feature]

    def margin(self, feature: Feature) -> float:
        """The smallest L2 change that moves the feature's matched filter to another class: norm / sqrt(2).

        The filter's logits are <x, u_k>: the norm for the planted class, 0 for the others. A change d closes
        the gap when <d, u_j - u_i> >= norm, cheapest along u_j - u_i, which has length sqrt(2).
        """
        return self.norm(feature) / math.sqrt(2)

    def accuracy_of(self, feature: Feature, *, eps: float = 0.0) -> float:
        """Accuracy on true labels of the classifier that sees this feature alone, under an L2 ball of eps.

        Exact while the pixel box does not bind; where it does, the adversary can only do less.
        """
        return self.probability(feature) if eps < self.margin(feature) else 0.0

    def shifted_accuracy_of(self, feature: Feature, *, learned_shift: int) -> float:
        """Accuracy on labels y + 1 of the classifier that answers (feature's class + learned_shift).

        On D_det the non-robust feature is moved to y + 1 and relabelled so (learned_shift 0), the robust one
        stays at y under the label y + 1 (learned_shift 1).
        """
        p = self.probability(feature)
        return p if learned_shift == 1 else (1 - p) / (self.classes - 1)

    @cached_property
    def _directions(self) -> dict[str, torch.Tensor]:
        shapes = self._band("shapes", *SHAPES)
        patterns = self._band("patterns", *PATTERNS)
        known = {"robust": shapes, "nonrobust": patterns}
        if self.spurious:
            known["spurious"] = self._tags(torch.cat([shapes, patterns]))
        return known

    def directions(self, feature: Feature) -> torch.Tensor:
        """The feature's unit vectors as images: (classes, 3, size, size), orthonormal, and across features too."""
        return self._directions[feature].view(self.classes, 3, self.image_size, self.image_size)

    def matched_filter(self, feature: Feature) -> Classifier:
        """The single-feature classifier: logits <x - 1/2, u_k>. Linear; the closed forms are about it."""

        def classify(images: Images) -> Logits:
            directions = self._directions[feature].to(images)
            return (images.flatten(1) - 0.5) @ directions.T

        return classify

    def _band(self, name: str, low: float, high: float) -> torch.Tensor:
        """Orthonormal random images whose frequencies lie in [low, high] cycles per image: (classes, values)."""
        size = self.image_size
        noise = torch.randn(
            self.classes, 3, size, size, generator=generator(self.seed, "planted", name), dtype=torch.float64
        )
        spectrum = torch.fft.rfft2(noise)
        radius = _radius(size)
        spectrum = spectrum * ((radius >= low) & (radius <= high)) / radius.clamp_min(1)
        filtered = torch.fft.irfft2(spectrum, s=(size, size)).flatten(1)
        return torch.linalg.qr(filtered.T).Q.T.contiguous().float()

    def _tags(self, others: torch.Tensor) -> torch.Tensor:
        """One coloured corner square per class, made orthogonal to the other features and to each other."""
        size, side = self.image_size, self.image_size // 6
        tags = torch.zeros(self.classes, 3, size, size, dtype=torch.float64)
        draw = generator(self.seed, "planted", "tags")
        signs = torch.randint(2, (self.classes, 3, side, side), generator=draw) * 2 - 1
        tags[:, :, 1 : 1 + side, 1 : 1 + side] = signs.double()
        flat, basis = tags.flatten(1), others.double()
        flat = flat - (flat @ basis.T) @ basis
        return torch.linalg.qr(flat.T).Q.T.contiguous().float()


@one_thread()
def planted(
    split: str = "train",
    *,
    count: int | None = None,
    spurious: bool = False,
    seed: int = 0,
    truth: PlantedTruth | None = None,
) -> LabeledImages:
    """Images with planted features: 4 000 for training, 2 000 for testing, columns `robust_class` and so on.

    `seed` draws the images; the features come from the truth's own seed, so that a training and a test set fit.

    >>> planted("test", count=50).columns["robust_class"].shape
    torch.Size([50])
    """
    if split not in ("train", "test"):
        raise NotbugsError(f"unknown split {split!r} (known: train, test)")
    truth = truth or PlantedTruth(spurious=spurious)
    if count is None:
        count = 4000 if split == "train" else 2000
    require_positive("count", count)
    draw = generator(seed, "planted", split)
    labels = torch.randint(truth.classes, (count,), generator=draw)
    columns = {
        "robust_class": _agreeing(labels, truth.p_robust, truth.classes, draw),
        "nonrobust_class": _agreeing(labels, truth.p_nonrobust, truth.classes, draw),
    }
    features = {"robust": columns["robust_class"], "nonrobust": columns["nonrobust_class"]}
    if truth.spurious:
        p = truth.p_spurious if split == "train" else 1 / truth.classes
        columns["spurious_class"] = features["spurious"] = _agreeing(labels, p, truth.classes, draw)
    foreground = torch.zeros(count, 3 * truth.image_size**2)
    for feature, classes in features.items():
        foreground += truth.norm(feature) * truth._directions[feature][classes]  # type: ignore[arg-type]
    background = _background(count, truth, draw)
    if float(foreground.abs().max()) > 0.499:
        raise NotbugsError(
            "the planted features leave the box [0, 1]: choose a smaller norm_robust or norm_spurious"
        )
    images = 0.5 + foreground + background * _room(foreground, background)
    return LabeledImages(
        images=images.view(count, 3, truth.image_size, truth.image_size).contiguous(),
        labels=labels,
        class_names=tuple(f"class {k}" for k in range(truth.classes)),
        origin=Origin(
            name="planted-spurious" if truth.spurious else "planted",
            licence="CC0-1.0",
            recipe={"split": split, "seed": seed, "count": count, "truth": asdict(truth)},
        ),
        columns=columns,
    )


def truth_of(data: LabeledImages) -> PlantedTruth | None:
    """The truth behind a data set that `planted` made, or None for any other, or where its columns are lost."""
    planted_truth = data.origin.recipe.get("truth")
    is_whole = {"robust_class", "nonrobust_class"} <= data.columns.keys()
    return PlantedTruth(**planted_truth) if planted_truth and is_whole else None


def _radius(size: int) -> torch.Tensor:
    rows = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    columns = torch.fft.rfftfreq(size, 1 / size, dtype=torch.float64)
    return (rows[:, None] ** 2 + columns[None, :] ** 2).sqrt()


def _dimensions(size: int, low: float, high: float) -> int:
    """How many linearly independent colour images have their frequencies in [low, high]."""
    line = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    radius = (line[:, None] ** 2 + line[None, :] ** 2).sqrt()
    return 3 * int(((radius >= low) & (radius <= high)).sum())


def _agreeing(labels: torch.Tensor, p: float, classes: int, draw: torch.Generator) -> torch.Tensor:
    """The label with probability p, else one of the other classes, uniformly."""
    agrees = torch.rand(len(labels), generator=draw) < p
    other = (labels + torch.randint(1, classes, (len(labels),), generator=draw)) % classes
    return torch.where(agrees, labels, other)


def _background(count: int, truth: PlantedTruth, draw: torch.Generator) -> torch.Tensor:
    """Grey noise with amplitude 1/f below the patterns' band, orthogonal to all features: (count, values)."""
    size = truth.image_size
    spectrum = torch.fft.rfft2(torch.randn(count, 1, size, size, generator=draw))
    radius = _radius(size).float()
    spectrum = spectrum * ((radius > 0) & (radius < 10)) / radius.clamp_min(1)
    grey = torch.fft.irfft2(spectrum, s=(size, size))
    noise = grey.expand(-1, 3, -1, -1).flatten(1)
    for directions in truth._directions.values():
        noise = noise - (noise @ directions.T) @ directions
    return noise * (truth.background / noise.square().mean(1, keepdim=True).sqrt())


def _room(foreground: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """How much of the background fits into [0, 1] beside the foreground, per image, at most 1."""
    room = 0.5 - 1e-3 - foreground * background.sign()
    return (room / background.abs().clamp_min(1e-9)).amin(1, keepdim=True).clamp(0, 1)
