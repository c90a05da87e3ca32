"""Random numbers for every image from a generator of its own, so that none depends on the images beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from notbugs.seeds import generator

_LEAST = -(2**63)


@final
@dataclass(frozen=True)
class Draws:
    """The generators of some images, all on the CPU: every device gets the same numbers, on `device`.

    >>> draws = draws_of(range(2), "fog", seed=0)
    >>> torch.equal(draws.uniform(3)[1:], draws_of(range(1, 2), "fog", seed=0).uniform(3))
    True
    """

    generators: Sequence[torch.Generator]
    device: torch.device

    def bits(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """(images, *shape) of whole numbers, each as likely as any other that `dtype` holds.

        They are drawn 64 bits at a time and cut up: what is drawn, not what becomes of it, is what takes time.
        """
        count = math.prod(shape)
        drawn = torch.empty(len(self.generators), -(-count * dtype.itemsize // 8), dtype=torch.int64)
        for part, draw in zip(drawn, self.generators, strict=True):
            part.random_(_LEAST, None, generator=draw)
        return drawn.view(dtype)[:, :count].unflatten(1, shape or (1,)).to(self.device)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(images, *shape) between low and high, in 2^24 steps."""
        steps = self.bits(*shape, dtype=torch.int32).bitwise_and_((1 << 24) - 1).float()
        return steps.mul_((high - low) / (1 << 24)).add_(low).view(-1, *shape)

    def coarse(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """As `uniform`, in 2^16 steps and in half the time: for fields of which nobody sees a single value."""
        steps = self.bits(*shape, dtype=torch.int16).float()
        return steps.add_((1 << 15) + 0.5).mul_((high - low) / (1 << 16)).add_(low)

    def normal(self, *shape: int) -> Tensor:
        """(images, *shape) with mean 0 and standard deviation 1."""
        drawn = torch.empty(len(self.generators), *shape)
        for part, draw in zip(drawn, self.generators, strict=True):
            part.normal_(generator=draw)
        return drawn.to(self.device)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """(images, *shape) from low to high - 1, each as likely as the others to 1 in 65536."""
        steps = self.bits(*shape, dtype=torch.int16).int().bitwise_and_((1 << 16) - 1)
        return steps.mul_(high - low).bitwise_right_shift_(16).add_(low).view(-1, *shape)

    def poisson(self, rates: Tensor) -> Tensor:
        """Counts with these rates, image by image."""
        here = rates.cpu()
        drawn = [
            torch.poisson(rate, generator=draw) for rate, draw in zip(here, self.generators, strict=True)
        ]
        return torch.stack(drawn).to(self.device)


def draws_of(indices: Sequence[int], name: str, *, seed: int, device: torch.device | str = "cpu") -> Draws:
    """The draws named `name` of the images with these indices."""
    made = [generator(seed, name, index) for index in indices]
    return Draws(made, torch.device(device))


__all__ = ["Draws", "draws_of"]
