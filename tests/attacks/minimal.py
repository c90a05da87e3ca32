"""Problems whose nearest adversarial images are known, for the searches of small changes."""

import math

import torch

from notbugs.seeds import generator
from notbugs.theory import (
    flip_sizes,
    l1_to_ellipsoid,
    l2_to_ellipsoid,
    linear_logits,
    linf_to_ellipsoid,
    quadratic_logits,
)
from notbugs.threats import L1, L2, Linf

EVERYWHERE = [L2(math.inf), Linf(math.inf), L1(math.inf)]
TO_ELLIPSOID = {L2: l2_to_ellipsoid, Linf: linf_to_ellipsoid, L1: l1_to_ellipsoid}


def linear_problem():
    """A model of two classes, images far from the box, labels, and their distance in a threat's norm."""
    draw = generator(0, "minimal")
    weights = torch.randn(2, 3, 5, 5, generator=draw)
    weights[0, 0, 0, 0] += 4  # one value that matters most
    images = 0.35 + 0.3 * torch.rand(30, 3, 5, 5, generator=draw)
    biases = -linear_logits(images, weights, torch.zeros(2)).mean(0)

    def model(shown):
        return linear_logits(shown, weights, biases)

    labels = model(images).argmax(1)

    def distance(threat):
        return flip_sizes(images, labels, weights, biases, threat).amin(1)

    return model, images, labels, distance


def quadratic_problem(curvatures, inside):
    """The same for a sphere or an ellipsoid, with images inside it or outside."""
    draw = generator(1, "minimal")
    center = torch.full(curvatures.shape, 0.5)
    images = 0.5 + 0.3 * (torch.rand(60, *curvatures.shape, generator=draw) - 0.5)
    spread = (curvatures * (images - center).square()).flatten(1).sum(1)
    level = float(spread.quantile(0.503))  # between two images: none lies on the surface

    def model(shown):
        return quadratic_logits(shown, center, curvatures, level)

    images = images[(model(images).argmax(1) == 0) == inside]

    def distance(threat):
        return TO_ELLIPSOID[type(threat)](images, center, curvatures, level)

    return model, images, torch.full((len(images),), 0 if inside else 1), distance


SPHERE = torch.ones(3, 4, 4)
ELLIPSOID = 0.7 + 0.6 * torch.rand(3, 4, 4, generator=generator(2, "minimal"))
PROBLEMS = {
    "linear": linear_problem,
    "from inside a sphere": lambda: quadratic_problem(SPHERE, inside=True),
    "from outside a sphere": lambda: quadratic_problem(SPHERE, inside=False),
    "from inside an ellipsoid": lambda: quadratic_problem(ELLIPSOID, inside=True),
    "from outside an ellipsoid": lambda: quadratic_problem(ELLIPSOID, inside=False),
}
