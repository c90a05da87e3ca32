"""Threats: what an adversary may change. Geometry is a value with methods; budgets are in [0, 1] pixel units."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import final

import torch

from notbugs.errors import NotbugsError, unknown
from notbugs.l1_ball import into_l1_balls
from notbugs.tensors import Images, PerExample

TOLERANCE = 1e-5
"""How far past eps a measured size may lie: float32 rounding of centre + perturbation, nothing more."""


class Threat(ABC):
    """A set of images around each centre, inside the pixel box [0, 1]. Subclasses are final frozen values."""

    eps: float

    @abstractmethod
    def size(self, images: Images, centers: Images) -> PerExample:
        """How far each image lies from its centre, in the threat's norm."""

    @abstractmethod
    def project(self, images: Images, centers: Images) -> Images:
        """The nearest images (in L2) inside both the ball and the box; centres must lie in the box."""

    @abstractmethod
    def ascent_direction(self, gradients: Images) -> Images:
        """The unit step that raises a linear objective fastest; zero where the gradient is zero."""

    @abstractmethod
    def random_start(self, centers: Images, generator: torch.Generator) -> Images:
        """One uniform draw from each ball, brought into the box."""

    def contains(self, images: Images, centers: Images) -> torch.Tensor:
        """Which images lie in ball and box, up to TOLERANCE. NaN lies nowhere."""
        flat = images.flatten(1)
        in_box = (flat >= 0).all(1) & (flat <= 1).all(1)
        return in_box & (self.size(images, centers) <= self.eps + TOLERANCE)

    def scaled(self, factor: float) -> "Threat":
        """The same threat with its budget multiplied by `factor`."""
        return type(self)(self.eps * factor)  # type: ignore[call-arg]


def _check_eps(eps: float) -> None:
    if not eps >= 0:
        raise NotbugsError(f"eps must be >= 0 (pixel values lie in [0, 1]), got {eps}")


def _shortest(eps: float) -> str:
    """The shortest text that reads back as the same number."""
    return f"{eps:g}" if float(f"{eps:g}") == eps else repr(float(eps))


@final
@dataclass(frozen=True)
class Linf(Threat):
    """Every value may change by at most eps.

    >>> Linf(0.1).project(torch.full((1, 1, 1, 1), 0.9), torch.full((1, 1, 1, 1), 0.5)).item()
    0.6000000238418579
    """

    eps: float

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def __str__(self) -> str:
        levels = round(self.eps * 255) if math.isfinite(self.eps) else 0
        whole = (
            levels > 0 and abs(levels / 255 - self.eps) < 1e-12
        )  # 0.375 * 8/255 is 3/255 but for a rounding
        return f"linf:{levels}/255" if whole else f"linf:{_shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        return (images - centers).flatten(1).abs().amax(1)

    def project(self, images: Images, centers: Images) -> Images:
        return images.clamp((centers - self.eps).clamp_min(0), (centers + self.eps).clamp_max(1))

    def ascent_direction(self, gradients: Images) -> Images:
        return gradients.sign() + 0 * gradients  # sign() alone would pass NaN off as a flat gradient

    def random_start(self, centers: Images, generator: torch.Generator) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        noise = torch.rand(centers.shape, generator=generator, device=centers.device, dtype=centers.dtype)
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
        return f"l2:{_shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        return torch.linalg.vector_norm((images - centers).flatten(1), dim=1)

    def project(self, images: Images, centers: Images) -> Images:
        return into_l1_balls(images, centers, centers.new_full((len(centers),), self.eps))

    def ascent_direction(self, gradients: Images) -> Images:
        flat = gradients.flatten(1)
        # Scaling by the largest entry first: tiny gradients of a saturated model would underflow when squared.
        flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        length = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        return (flat / length.clamp_min(1e-12)).view_as(gradients)

    def random_start(self, centers: Images, generator: torch.Generator) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        noise = torch.randn(centers.shape, generator=generator, device=centers.device, dtype=centers.dtype)
        draw = torch.rand(len(centers), generator=generator, device=centers.device, dtype=centers.dtype)
        radius = draw ** (1 / math.prod(centers.shape[1:]))  # uniform in volume
        return self.project(
            centers + self.ascent_direction(noise) * (self.eps * radius).view(-1, 1, 1, 1), centers
        )


@final
@dataclass(frozen=True)
class L1(Threat):
    """The absolute changes of all values add up to at most eps; eps = inf leaves only the pixel box.

    A unit step changes a single value, the one with the largest gradient (ties share it), and stays with it when
    the box stops it. PGD therefore stalls; `attacks.APGD` takes sparse steps that do not.

    >>> centers = torch.full((1, 1, 1, 2), 0.5)
    >>> L1(0.25).project(centers + torch.tensor([0.375, 0.25]), centers)
    tensor([[[[0.6875, 0.5625]]]])
    """

    eps: float

    def __post_init__(self) -> None:
        _check_eps(self.eps)

    def __str__(self) -> str:
        return f"l1:{_shortest(self.eps)}"

    def size(self, images: Images, centers: Images) -> PerExample:
        changes = (images - centers).flatten(1).abs()
        return changes.sum(1, dtype=torch.float64).to(images.dtype)

    def project(self, images: Images, centers: Images) -> Images:
        """The nearest point of ball and box together, not one after the other (Croce & Hein 2021, section 3).

        By the KKT conditions each value moves from its centre by clamp(|change| - level, 0, room), where room is
        what the box leaves it, with the smallest level >= 0 at which these add up to at most eps.
        """
        if self.eps == 0:
            return centers.clone()
        flat_centers = centers.flatten(1)
        projected = images.flatten(1).clamp(0, 1)
        spent = (projected - flat_centers).abs_().sum(1)
        open_rows = (spent > self.eps).nonzero()[:, 0]
        if len(open_rows) > 0:
            change = images.flatten(1)[open_rows] - flat_centers[open_rows]
            projected[open_rows] = self._lowered(change, flat_centers[open_rows])
        return projected.view_as(images)

    def _lowered(self, change: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
        # Aimed a hair inside the ball, where rounding does not lead out of it.
        aim, slack = self.eps * (1 - 5e-7), self.eps * 5e-7
        room = (change.sign().clamp_min_(0) - centers).abs_()
        # The level is taken off bit by bit: beside a large change a small step of it would be lost in rounding.
        rest = change.abs()
        low, high = (
            torch.zeros_like(rest[:, :1]),
            rest.amax(1, keepdim=True),
        )  # bounds of what is still to come off
        for _ in range(100):  # Newton's step where it stays between the bounds, else half way; 5 to 10 rounds
            moved = torch.minimum(rest.clamp_min(0), room)
            excess = moved.sum(1, keepdim=True) - aim
            solved = excess.abs() <= slack
            if bool(solved.all()):
                break
            free = (room - moved).mul_(moved).sign_().sum(1, keepdim=True)
            low, high = torch.where(excess > 0, 0, low), torch.where(excess > 0, high, 0)
            step = excess / free
            step = torch.where((low < step) & (step < high), step, (low + high) / 2)
            step = torch.where(solved, 0, step)
            rest, low, high = rest - step, low - step, high - step
        projected = centers + change.sign() * moved
        # Where many equal values are rounded alike, their sum may lead out all the same.
        outside = ((projected - centers).abs_().sum(1) > self.eps).nonzero()[:, 0]
        if len(outside) > 0:
            far, near = projected[outside], centers[outside]
            too_far = (far - near).abs_() > moved[outside]
            projected[outside] = torch.where(too_far, far.nextafter(near), far)
        return projected

    def ascent_direction(self, gradients: Images) -> Images:
        flat = gradients.flatten(1)
        size = flat.abs()
        steepest = flat.sign() * (size >= size.amax(1, keepdim=True))
        return (steepest / steepest.abs().sum(1, keepdim=True).clamp_min(1) + 0 * flat).view_as(gradients)

    def random_start(self, centers: Images, generator: torch.Generator) -> Images:
        if not math.isfinite(self.eps):
            raise NotbugsError("a random start needs a finite eps")
        # n + 1 exponential draws over their sum are uniform in the simplex; without the last, in the solid one.
        n = math.prod(centers.shape[1:])
        draws = centers.new_empty((len(centers), n + 1)).exponential_(generator=generator)
        signs = torch.rand(centers.shape, generator=generator, device=centers.device, dtype=centers.dtype)
        changes = (draws[:, :n] / draws.sum(1, keepdim=True)).view_as(centers) * (signs - 0.5).sign_()
        return self.project(centers + self.eps * changes, centers)


THREATS: dict[str, type[Threat]] = {"linf": Linf, "l2": L2, "l1": L1}
_EXAMPLES = {"linf": "8/255", "l2": "0.5", "l1": "12"}


def parse_number(text: str, what: str) -> float:
    """A finite number written as 0.5, 3 or 8/255.

    >>> parse_number("8/255", "eps")
    0.03137254901960784
    """
    wrong = NotbugsError(f"{what} {text!r} is not a number; write it like 0.5 or 8/255")
    try:  # Fraction would write out every digit of 1e999999999
        value = float(Fraction(text) if "/" in text else text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise wrong from error
    if not math.isfinite(value):
        raise wrong
    return value


def parse_threat(text: str) -> Threat:
    """A threat written as NORM:EPS, in pixel units of [0, 1]. Raises NotbugsError if it is not one.

    >>> parse_threat("linf:8/255"), parse_threat("l2:0.5"), parse_threat("l1:12")
    (Linf(eps=0.03137254901960784), L2(eps=0.5), L1(eps=12.0))
    """
    norm, _, size = text.partition(":")
    if norm not in THREATS:
        raise unknown("threat", norm, THREATS)
    if not size:
        raise NotbugsError(f"threat {text!r} has no size; write it like {norm}:{_EXAMPLES[norm]}")
    eps = parse_number(size, "eps")
    if eps <= 0:
        raise NotbugsError(f"eps must be positive in {text!r} (pixel values lie in [0, 1])")
    return THREATS[norm](eps)  # type: ignore[call-arg]
