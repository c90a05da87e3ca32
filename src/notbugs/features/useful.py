"""What is known of the usefulness of features: numbers, and the kinds of features that they make."""

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from notbugs.proportion import Z, wilson
from notbugs.threats import Threat

Kind = Literal["robust", "non-robust", "useless"]
PerUnit = Float[Tensor, " units"]

USEFUL = 0.1
"""The least rho of a feature that counts as useful."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Usefulness:
    """rho and gamma of every feature, with the class that each tells best.

    `signs`: +1 where the feature is higher on that class. `rho_errors`, `gamma_errors`: standard errors over images.
    `n`: images that rho was measured on; `attacked`: those that each feature was attacked on (0: exact);
    `candidates`: the classes that each was the best of; `of`: the features that there are, also those not asked.
    `stuck`: where the search found no slope at any image that it asked: gamma is no evidence there.
    """

    threat: Threat
    classes: Int[Tensor, " units"]
    signs: PerUnit
    rho: PerUnit
    gamma: PerUnit
    rho_errors: PerUnit
    gamma_errors: PerUnit
    stuck: Bool[Tensor, " units"]
    n: int
    attacked: int
    candidates: int
    of: int

    def kinds(self, useful: float = USEFUL, *, shift: float = 0.0, shift_gamma: float = 0.0) -> list[Kind]:
        """Robust: useful, and gamma above 0. Non-robust: useful, and not so. Useless: rho below `useful`, or no
        more than noise would show in the best of so many classes, but for one feature in a hundred.

        The shifts, in standard errors, say what kinds there were if rho or gamma were so much larger.
        """
        # Of noise the best class of many looks useful: 1 % is divided among classes and signs.
        rarely = math.sqrt(2) * float(torch.erfinv(torch.tensor(1 - 0.01 / self.candidates)))
        rhos = self.rho + shift * self.rho_errors
        gammas = self.gamma + shift_gamma * self.gamma_errors
        are_useful = (rhos >= useful) & (rhos >= rarely * self.rho_errors)
        return [
            "useless" if not is_useful else "robust" if gamma > 0 else "non-robust"
            for is_useful, gamma in zip(are_useful.tolist(), gammas.tolist(), strict=True)
        ]

    def shares(self) -> dict[Kind, tuple[float, tuple[float, float]]]:
        """How many of all features are of each kind, with a 95 % interval over images and over features.

        Images: what the shares were if all of rho, and all of gamma, lay 1.96 standard errors lower or higher, which
        is wider than need be. Features: Wilson's, where not all were asked.
        """
        unasked = math.sqrt(1 - len(self.rho) / self.of)
        corners = [self.kinds(shift=rho, shift_gamma=gamma) for rho in (-Z, Z) for gamma in (-Z, Z)]
        found: dict[Kind, tuple[float, tuple[float, float]]] = {}
        for kind in get_args(Kind):
            values = [kinds.count(kind) / len(kinds) for kinds in (self.kinds(), *corners)]
            low, high = wilson(values[0], len(self.rho))
            below = math.hypot(values[0] - min(values), unasked * (values[0] - low))
            above = math.hypot(max(values) - values[0], unasked * (high - values[0]))
            found[kind] = (values[0], (max(0.0, values[0] - below), min(1.0, values[0] + above)))
        return found


__all__ = ["USEFUL", "Kind", "PerUnit", "Usefulness"]
