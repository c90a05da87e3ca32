"""Balls of a norm inside the pixel box: L2, L∞, L1. Budgets are in [0, 1] pixel units."""

import math
from dataclasses import dataclass
from typing import final

import torch

from notbugs.errors import NotbugsError
from notbugs.l1_ball import into_l1_balls, open_to
from notbugs.numerals import shortest
from notbugs.seeds import Rows
from notbugs.tensors import Images, PerExample
from notbugs.threats.threat import Threat


def _check_eps(eps: float) -> None:
    if not eps >= 0:
        raise NotbugsError(f"eps must be >= 0 (pixel values lie in [0, 1]), got {eps}")


@final
@dataclass(frozen=True)
class Linf(Threat):
    """Every value may change by at most eps; eps = inf leaves only the pixel box.

    >>> Linf(0.1).project(torch.full((1, 1, 1, 1), 0.9), torch.full((1, 1, 1, 1), 0.5)).item()
    0.6000000238418579
    """

    eps: float

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def __str__(self) -> str:
        levels = round(self.eps * 255) if math.isfinite(self.eps) else 0
        whole = (
            0 < levels < 255 and abs(levels / 255 - self.eps) < 1e-12
        )  # 0.375 * 8/255 is 3/255 but for a rounding
        return f"linf:{levels}/255" if whole else f"linf:{shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        return (images - centers).flatten(1).abs().amax(1)

    def project(self, images: Images, centers: Images) -> Images:
        return images.clamp((centers - self.eps).clamp_min(0), (centers + self.eps).clamp_max(1))

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        return gradients.sign() + 0 * gradients  # sign() alone would pass NaN off as a flat gradient

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        rows = rows or Rows.whole(len(centers))
        shape = (rows.of, *centers.shape[1:])
        noise = torch.rand(shape, generator=generator, device=centers.device, dtype=centers.dtype)
        noise = rows.share(noise)
        return self.project(centers + (2 * noise - 1) * self.eps, centers)


@final
@dataclass(frozen=True)
class L2(Threat):
    """The Euclidean length of the change is at most eps; eps = inf leaves only the pixel box.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> L2(0.25).project(centers + torch.tensor([0.5, 0.0]), centers).flatten().tolist()
    [0.75, 0.5]
    """

    eps: float

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def __str__(self) -> str:
        return f"l2:{shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        return torch.linalg.vector_norm((images - centers).flatten(1), dim=1)

    def project(self, images: Images, centers: Images) -> Images:
        """The nearest point of ball and box together, not one after the other.

        By the KKT conditions it is clamp(center + t * change, 0, 1) with the largest t <= 1 of length <= eps.
        The length grows with t, and the values that the box stops only grow in number, so
        t <- sqrt((eps^2 - stopped^2) / free^2) climbs to the solution in a few rounds.
        """
        if not math.isfinite(self.eps):
            return images.clamp(0, 1)
        flat_centers = centers.flatten(1)
        change = images.flatten(1) - flat_centers
        length = torch.linalg.vector_norm(change, dim=1, keepdim=True)
        shrink = (self.eps / length.clamp_min(torch.finfo(length.dtype).tiny)).clamp_max(1)
        projected = (flat_centers + change * shrink).clamp_(0, 1)
        # A row is solved unless the ball shortened it and the box then took away some more.
        reached = torch.linalg.vector_norm(projected - flat_centers, dim=1)
        open_rows = ((length[:, 0] > self.eps) & (reached < self.eps * (1 - 1e-6))).nonzero()[:, 0]
        if len(open_rows) > 0:
            projected[open_rows] = self._stretch(
                change[open_rows], flat_centers[open_rows], shrink[open_rows]
            )
        return projected.view_as(images)

    def _stretch(self, change: torch.Tensor, centers: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        # Masks are numbers here: boolean masks and where() cost a CPU several times as much.
        magnitude = change.abs()
        room = (change.sign().clamp_min_(0) - centers).abs_()  # to the wall that each value moves towards
        for _ in range(64):  # each round stops at least one more value; in practice two or three rounds
            is_free = (room - magnitude * t).clamp_min_(0).sign_()
            free = (is_free * magnitude).square_().sum(1, keepdim=True)
            spent = (room - is_free * room).square_().sum(1, keepdim=True)
            left = (self.eps**2 - spent).clamp_min(0)
            longer = torch.where(free > 0, (left / free.clamp_min(1e-30)).sqrt().clamp_max(1), t)
            if bool((longer <= t * (1 + 1e-6)).all()):
                break
            t = torch.maximum(t, longer)
        return (centers + change * t).clamp_(0, 1)

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        flat = gradients.flatten(1)
        # Scaling by the largest entry first: tiny gradients of a saturated model would underflow when squared.
        flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        length = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        return (flat / length.clamp_min(1e-12)).view_as(gradients)

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        rows = rows or Rows.whole(len(centers))
        shape = (rows.of, *centers.shape[1:])
        noise = torch.randn(shape, generator=generator, device=centers.device, dtype=centers.dtype)
        draw = torch.rand(rows.of, generator=generator, device=centers.device, dtype=centers.dtype)
        noise, draw = rows.share(noise), rows.share(draw)
        radius = draw ** (1 / math.prod(centers.shape[1:]))  # uniform in volume
        return self.project(
            centers + self.ascent_direction(noise) * (self.eps * radius).view(-1, 1, 1, 1), centers
        )


@final
@dataclass(frozen=True)
class L1(Threat):
    """The absolute changes of all values add up to at most eps; eps = inf leaves only the pixel box.

    A unit step changes a single value, the one with the largest gradient (ties share it), as far as the box lets it:
    PGD makes little of its steps. `attacks.APGD` takes sparse ones.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> L1(0.25).project(centers + torch.tensor([0.375, 0.25]), centers)
    tensor([[[[0.6875, 0.5625]]]])
    """

    eps: float

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def __str__(self) -> str:
        return f"l1:{shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        changes = (images - centers).flatten(1).abs()
        # Thousands of values add up to eps: their rounding must not. (Apple's GPUs have no float64.)
        wide = images.dtype if changes.device.type == "mps" else torch.float64
        return changes.sum(1, dtype=wide).to(images.dtype)

    def project(self, images: Images, centers: Images) -> Images:
        return into_l1_balls(images, centers, centers.new_full((len(centers),), self.eps))

    def ascent_direction(self, gradients: Images, images: Images | None = None) -> Images:
        flat = gradients.flatten(1)
        size = flat.abs()
        if images is not None:
            size = size * open_to(flat.sign(), images.flatten(1))
        steepest = flat.sign() * ((size >= size.amax(1, keepdim=True)) & (size > 0))
        return (steepest / steepest.abs().sum(1, keepdim=True).clamp_min(1) + 0 * flat).view_as(gradients)

    def random_start(self, centers: Images, generator: torch.Generator, rows: Rows | None = None) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        # n + 1 exponential draws over their sum are uniform in the simplex; without the last, in the solid one.
        rows = rows or Rows.whole(len(centers))
        n, shape = math.prod(centers.shape[1:]), (rows.of, *centers.shape[1:])
        draws = centers.new_empty((rows.of, n + 1)).exponential_(generator=generator)
        signs = torch.rand(shape, generator=generator, device=centers.device, dtype=centers.dtype)
        draws, signs = rows.share(draws), rows.share(signs)
        changes = (draws[:, :n] / draws.sum(1, keepdim=True)).view_as(centers) * (signs - 0.5).sign_()
        return self.project(centers + self.eps * changes, centers)


__all__ = ["L1", "L2", "Linf"]
