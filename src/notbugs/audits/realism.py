"""How much a set of drawn images is like a set of true ones, as a classifier of our own sees both.

The published scores are the same formulas on an Inception network trained on ImageNet: numbers with another
network behind them cannot be compared with those, only with each other.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError

Probabilities = Float[Tensor, "images classes"]


def class_score(probabilities: Probabilities) -> float:
    """exp(mean KL(p(y|x) || p(y))) (Salimans et al. 2016, section 4): 1 where all images are alike or undecided, the
    number of classes where each is sure and all classes are as frequent.

    >>> class_score(torch.eye(10))
    10.0
    """
    p = probabilities.double()
    marginal = p.mean(0, keepdim=True)
    divergence = (torch.xlogy(p, p) - torch.xlogy(p, marginal.expand_as(p))).sum(1).mean()
    return round(float(divergence.exp()), 12)


def frechet_distance(
    first: Float[Tensor, "first features"], second: Float[Tensor, "second features"]
) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) of means and covariances (Heusel et al. 2017, equation 6): the
    squared distance of the two sets' Gaussians, 0 for equal ones.

    Raises NotbugsError for fewer than two images.

    >>> shown = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(shown, shown + 2.0), 4)
    12.0
    """
    if min(len(first), len(second)) < 2:
        raise NotbugsError(f"a covariance needs 2 images or more, got {len(first)} and {len(second)}")
    a, b = first.double(), second.double()
    s, t = torch.atleast_2d(a.T.cov()), torch.atleast_2d(b.T.cov())
    values, vectors = torch.linalg.eigh(s)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    # (S1 S2)^1/2 has the eigenvalues of the symmetric (S1^1/2 S2 S1^1/2)^1/2.
    mixed = torch.linalg.eigvalsh(root @ t @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + s.trace() + t.trace() - 2 * mixed)


__all__ = ["class_score", "frechet_distance"]
