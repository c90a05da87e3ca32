"""What a network of one hidden layer learns from adversarial perturbations alone (Kumano, Kera and Yamasaki 2024,
"Theoretical Understanding of Learning from Adversarial Perturbations"; Frei et al. 2023 for the boundary).

    f(z) = sum_k a_k phi(<w_k, z>),   phi(t) = max(t, slope t),   a_k = +1/sqrt(m) and -1/sqrt(m), half each, fixed.

On orthogonal points of one length, trained by gradient descent from almost nothing, f goes to the direction with the
least sum of squares that fits them. That is, up to its length, with P the sum of the points of label +1 and N the sum
of those of label -1:

    f(z) = phi(<P - slope N, z>) - phi(<N - slope P, z>),   and its sign is that of <P - N, z> = sum_n y_n <x_n, z>.

Points of noise are orthogonal as far as they are few beside their dimensions: of 100 in 2000 a trained network is
what the limit says, of 450 in 500 it teaches more than its limit would (92 % against 84 at eps 3).

So a step along the gradient of f at any point adds a multiple of all training points together. Whoever is trained on
points so moved, under the labels that they were moved to, has sum_n y'_n <x'_n, z> for a boundary: the labels of the
points themselves may say nothing and cancel, the steps all say P - N, and add up. On points of noise of variance 1 in
every value, with targets by the toss of a coin, this gives the accuracy on the first points in closed form, where
there are fewer of them than dimensions: `learned_accuracy`.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from notbugs.errors import NotbugsError, require_positive

Points = Float[Tensor, "points d"]
Signs = Float[Tensor, " points"]


def boundary(points: Points, labels: Signs) -> Float[Tensor, " d"]:
    """The normal of the boundary that the network goes to: sum_n y_n x_n.

    >>> boundary(torch.eye(2), torch.tensor([1.0, -1.0]))
    tensor([ 1., -1.])
    """
    return labels @ points


def limit_output(
    points: Points, labels: Signs, z: Float[Tensor, "asked d"], slope: float
) -> Float[Tensor, " asked"]:
    """f(z) that training goes to, up to a factor."""
    positive, negative = points.T @ (labels > 0).to(points), points.T @ (labels < 0).to(points)
    rise = nn.functional.leaky_relu(z @ (positive - slope * negative), slope)
    return rise - nn.functional.leaky_relu(z @ (negative - slope * positive), slope)


def perturbed(
    f: Callable[[Float[Tensor, "moved d"]], Float[Tensor, " moved"]],
    start: Float[Tensor, "moved d"],
    targets: Float[Tensor, " moved"],
    *,
    eps: float,
) -> Float[Tensor, "moved d"]:
    """`start`, moved by L2 `eps` along the gradient of a network `f`, or of a limit, to `targets`."""
    z = start.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad((targets * f(z)).sum(), z)
    return start + eps * gradient / gradient.norm(dim=1, keepdim=True).clamp_min(1e-30)


def learned_accuracy(eps: float, slope: float, crowding: float = 0.0) -> float:
    """How often a network trained on noise that was moved by L2 `eps`, under random targets, is right on the points
    that the first network was trained on: Phi(eps c / sqrt(1 + eps^2 c^2 crowding)), `crowding` being points /
    dimensions. Of the limit; of trained networks where `crowding` is small. Raises NotbugsError for a slope that is
    not above 0: some points have no gradient then.

    Of <x, sum_n y'_n x'_n> the noise itself is normal, with mean 0 and deviation sqrt(points d). The n-th step adds
    eps <x, g_n> / ||g_n||: c sqrt(d / points) from x itself, and a normal part of deviation c from all other points,
    the same for every n. c is the mean cosine between the gradients g_n and P - N: it is 1 where <P - slope N, z> and
    <N - slope P, z> are of one sign.

    >>> learned_accuracy(0.0, slope=0.2), round(learned_accuracy(1.0, slope=1.0), 3)
    (0.5, 0.841)
    """
    require_positive("slope", slope)
    correlation = -2 * slope / (1 + slope**2)
    alike = 0.5 + math.asin(correlation) / math.pi
    apart = (1 + slope) ** 2 / math.sqrt(2 * ((1 + slope**2) ** 2 + 4 * slope**2))
    step = eps * (alike + (1 - alike) * apart)
    return 0.5 * math.erfc(-step / math.sqrt(2 * (1 + step**2 * crowding)))


class OneHiddenLayer(nn.Module):
    """The network: the first layer is trained, the second is +-1/sqrt(m)."""

    def __init__(
        self, d: int, width: int, slope: float, generator: torch.Generator, scale: float = 1e-4
    ) -> None:
        super().__init__()
        if width % 2:
            raise NotbugsError(f"width {width}: half of the neurons count for each label, so it is even")
        self.slope = slope
        self.first = nn.Parameter(scale * torch.randn(width, d, generator=generator) / d**0.5)
        signs = torch.tensor([1.0, -1.0]).repeat_interleave(width // 2)
        self.register_buffer("second", signs / width**0.5)

    def forward(self, z: Points) -> Float[Tensor, " points"]:
        hidden = nn.functional.leaky_relu(z @ self.first.T, self.slope)
        return hidden @ self.second  # type: ignore[operator]


def fit(
    network: OneHiddenLayer, points: Points, labels: Signs, *, steps: int = 500, lr: float = 0.1
) -> float:
    """Gradient descent on the logistic loss, over all points at once; the loss at the end.

    `lr` is for points of length 1: it is divided by their mean squared length.
    """
    pace = lr * network.second.numel() ** 0.5 / float(points.square().sum(1).mean())  # type: ignore[operator]
    search = torch.optim.SGD(network.parameters(), lr=pace * len(points))
    loss = torch.tensor(math.inf)
    for _ in range(steps):
        search.zero_grad()
        loss = nn.functional.softplus(-labels * network(points)).mean()
        loss.backward()
        search.step()
    return loss.item()


__all__ = ["OneHiddenLayer", "boundary", "fit", "learned_accuracy", "limit_output", "perturbed"]
