"""Rotations and translations (Engstrom et al. 2019, arXiv 1712.02779): the worst point of a grid of them."""

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from notbugs.attacks.objectives import LabelObjective, margin
from notbugs.errors import NotbugsError, SearchMetNaNError
from notbugs.models.frozen import frozen
from notbugs.seeds import Rows
from notbugs.tensors import Classifier, Images, Labels, PerExample
from notbugs.threats import Threat

PADDINGS = ("zeros", "reflection")
Motions = Float[Tensor, "batch 3"]

SAME = 1e-4
"""Two images are one if no value differs by more: above rounding, and 1/40 of a step of 8-bit pixels."""

PASS = 128
"""Images that the model sees at once, at least: when few are left, each is shown at many points of the grid."""


def moved(images: Images, motions: Motions, *, padding: str = "zeros") -> Images:
    """Each image turned about its centre by motions[:, 0] degrees, counter-clockwise as seen, then moved by
    motions[:, 1] pixels to the right and motions[:, 2] down. Bilinear; what comes in from outside is black
    ("zeros") or mirrored ("reflection"). A motion of zeros returns the image itself, bit by bit.

    >>> moved(torch.tensor([0.1, 0.2, 0.3]).view(1, 1, 1, 3), torch.tensor([[0.0, 1.0, 0.0]])).flatten()
    tensor([0.0000, 0.1000, 0.2000])
    """
    motions = motions.to(images.device, images.dtype)
    height, width = images.shape[2:]
    right, down = motions[:, 1, None, None], motions[:, 2, None, None]
    cosine, sine = (f(motions[:, 0].deg2rad())[:, None, None] for f in (torch.cos, torch.sin))
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2 - right
    y = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2 - down
    # Where each value comes from, in the units of grid_sample: -1 and 1 are the outer edges of the image.
    source = torch.stack(
        [(cosine * x - sine * y) * (2 / width), (sine * x + cosine * y) * (2 / height)], dim=3
    )
    sampled = functional.grid_sample(images, source, "bilinear", padding, align_corners=False).clamp_(0, 1)
    still = (motions == 0).all(1).nonzero()[:, 0]
    sampled[still] = images[still]
    return sampled


@final
@dataclass(frozen=True)
class Spatial(Threat):
    """A finite set, not a ball: the image at every point of a grid of rotations (of up to `rotation` degrees either
    way, `rotations` of them) and translations (of up to `translation` pixels, `translations` along each axis).

    No norm says which images belong: a picture turned by three degrees lies far from itself in every one. The set
    does: `size` makes all its members again and compares, so that `contains` can be believed as that of any other
    threat is, without asking the model or the attack. Whatever lies between the points of the grid does not belong.
    The size is the share of the range that the motion takes, of the angle or of the shifts, whichever is more: at
    most eps = 1; infinite for an image that no point makes. Finding that out costs one motion for each point, 775
    by default; members are recognised after half of it. There is no direction to ascend in.

    Raises NotbugsError for values that make no grid.

    >>> threat, image = Spatial(30, 3), torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> turned = moved(image, torch.tensor([[6.0, 1.5, 0.0]]))
    >>> str(threat), threat.size(turned, image).item(), threat.contains(turned * 0.9, image).item()
    ('spatial:30:3:31x5x5', 0.5, False)
    """

    rotation: float
    translation: float
    rotations: int = 31
    translations: int = 5
    padding: str = "zeros"
    eps: float = field(default=1.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rotation <= 180 or not 0 <= self.translation < math.inf:
            raise NotbugsError(
                f"rotation is in degrees from 0 to 180 and translation in pixels >= 0, "
                f"got {self.rotation} and {self.translation}"
            )
        if (
            self.rotations < 1
            or self.translations < 1
            or self.rotations % 2 == 0
            or self.translations % 2 == 0
        ):
            raise NotbugsError(
                f"rotations and translations must be odd, so that the image itself is among them, "
                f"got {self.rotations} and {self.translations}"
            )
        if self.padding not in PADDINGS:
            raise NotbugsError(f"padding is one of {', '.join(PADDINGS)}, got {self.padding!r}")

    def __str__(self) -> str:
        kind = "" if self.padding == "zeros" else f"-{self.padding}"
        counts = f"{self.rotations}x{self.translations}x{self.translations}"
        return f"spatial{kind}:{self.rotation:g}:{self.translation:g}:{counts}"

    def motions(self) -> Motions:
        """Every point of the grid, from the image itself outwards: degrees, pixels to the right, pixels down."""
        angles, shifts = (
            _axis(self.rotation, self.rotations),
            _axis(self.translation, self.translations),
        )
        grid = torch.cartesian_prod(angles, shifts, shifts)
        shares = self._shares(grid)
        order = (shares.amax(1) + 1e-3 * shares.sum(1)).argsort(stable=True)
        return grid[order]

    def _shares(self, motions: Motions) -> Motions:
        limits = torch.tensor([self.rotation, self.translation, self.translation], dtype=motions.dtype)
        return motions.abs() / limits.clamp_min(torch.finfo(motions.dtype).tiny)

    def size(self, images: Images, centers: Images) -> PerExample:
        """The smallest share of the range that makes each image from its centre, in [0, 1]; infinite if none does."""
        found = torch.full((len(images),), torch.inf, device=images.device, dtype=images.dtype)
        rows = torch.arange(len(images), device=images.device)
        motions = self.motions()
        for motion, share in zip(motions, self._shares(motions).amax(1).tolist(), strict=True):
            members = moved(centers[rows], motion.expand(len(rows), 3), padding=self.padding)
            same = ((members - images[rows]).flatten(1).abs() <= SAME).all(1)
            if bool(same.any()):
                found[rows[same]] = share
                rows = rows[~same]
                if len(rows) == 0:
                    break
        return found

    def project(self, images: Images, centers: Images) -> Images:
        """The nearest images (in L2) among all members."""
        nearest = torch.full((len(images),), torch.inf, device=images.device, dtype=images.dtype)
        found = centers.clone()
        for motion in self.motions():
            members = moved(centers, motion.expand(len(centers), 3), padding=self.padding)
            distance = torch.linalg.vector_norm((members - images).flatten(1), dim=1)
            better = (distance < nearest).nonzero()[:, 0]
            found[better], nearest[better] = members[better], distance[better]
        return found

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        raise NotbugsError(f"{self} is a grid and has no directions; search it with SpatialGrid")

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        motions = self.motions().to(centers.device)
        rows = rows or Rows.whole(len(centers))
        drawn = torch.randint(len(motions), (rows.of,), generator=generator, device=centers.device)
        return moved(centers, motions[rows.share(drawn)], padding=self.padding)

    def scaled(self, factor: float) -> "Spatial":
        return replace(self, rotation=self.rotation * factor, translation=self.translation * factor)


def _axis(limit: float, count: int) -> Tensor:
    """`count` values from -limit to limit, exactly 0 in the middle; that alone if there is no range."""
    half = (count - 1) // 2 if limit > 0 else 0
    return torch.arange(-half, half + 1, dtype=torch.float64) * (limit / max(1, half))


@final
@dataclass(frozen=True, kw_only=True)
class SpatialGrid:
    """Try every point of the grid: an image is returned at a point that fools the model, else at the worst one.

    Worst is where the margin is highest. The grid is tried from its far ends inwards, where most images fall, and an
    image leaves with its first success: whether there is one does not depend on the order. The model is asked for no
    gradient. With n images left, each is shown at 128 / n points at once. Costs at most 775 evaluations of each image
    on the default grid.

    Raises NotbugsError for another kind of threat, and if the model answers NaN.

    >>> def upper(images):  # is the upper half darker than the lower one?
    ...     halves = images.mean((1, 3)).view(len(images), 2, -1).mean(2)
    ...     return halves.flip(1)
    >>> images = torch.zeros(1, 1, 8, 8)
    >>> images[:, :, 4] = 1  # a line, just below the middle
    >>> attack = SpatialGrid(threat=Spatial(0, 1, translations=3))
    >>> found = attack(upper, images, torch.tensor([0]), generator=torch.Generator())
    >>> str(attack), upper(images).argmax(1).item(), upper(found).argmax(1).item()
    ('grid:spatial:0:1:31x3x3', 0, 1)
    """

    uses_gradients: ClassVar[bool] = False
    threat: Threat

    def __post_init__(self) -> None:
        if not isinstance(self.threat, Spatial):
            raise NotbugsError(f"SpatialGrid searches a Spatial threat, got {self.threat}")

    def __str__(self) -> str:
        return f"grid:{self.threat}"

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Members of the threat around `images`; those that are not taken for `labels` as they are stay so."""
        threat = self.threat
        assert isinstance(threat, Spatial)  # or it would not have been made
        with frozen(model), torch.no_grad():
            objective, found = LabelObjective(model, labels, margin), images.clone()
            best = _margins(objective, images)
            rows, motions = (best <= 0).nonzero()[:, 0], threat.motions()[1:].flip(0).to(images)
            while len(rows) > 0 and len(motions) > 0:
                points, motions = motions.tensor_split([max(1, max(PASS, len(images)) // len(rows))])
                each = (len(points), len(rows))
                shown = moved(
                    images[rows].repeat(len(points), 1, 1, 1),
                    points.repeat_interleave(len(rows), dim=0),
                    padding=threat.padding,
                )
                values = _margins(objective.take(rows.repeat(len(points))), shown).view(each)
                # Of several successes the first: what is shown together with what must not matter.
                order = torch.arange(len(points), 0, -1, device=images.device)[:, None]
                hit, first = ((values > 0) * order).max(0)
                highest, where = values.max(0)
                won = hit > 0
                better = (won | (highest > best[rows])).nonzero()[:, 0]
                chosen = torch.where(won, first, where)[better]
                found[rows[better]] = shown.view(*each, *images.shape[1:])[chosen, better]
                best[rows[better]] = highest[better]
                rows = rows[~won]
            return found


def _margins(objective: LabelObjective, images: Images) -> PerExample:
    margins = objective(images)
    if bool(margins.isnan().any()):
        raise SearchMetNaNError
    return margins


__all__ = ["Spatial", "SpatialGrid", "moved"]
