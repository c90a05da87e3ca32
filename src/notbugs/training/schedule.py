"""Learning rates as functions of how far the training is: fraction done in [0, 1] -> factor of the peak."""

import math
from collections.abc import Callable

WARM_UP = 0.2


def one_cycle(done: float) -> float:
    """Linear up during the first fifth, linear down to 0 (Smith 2018).

    >>> one_cycle(0.2), one_cycle(0.6), one_cycle(1.0)
    (1.0, 0.5, 0.0)
    """
    return done / WARM_UP if done < WARM_UP else (1 - done) / (1 - WARM_UP)


def step(done: float) -> float:
    """Divided by ten after one and after two thirds, as in Ilyas et al. 2019 (every 50 of 150 epochs)."""
    return 0.1 ** sum(done >= edge for edge in (1 / 3, 2 / 3))


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * done)) / 2


def constant(done: float) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": one_cycle,
    "step": step,
    "cosine": cosine,
    "constant": constant,
}
