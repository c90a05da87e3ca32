"""A linear probe: what can be read off a representation by a straight line, the network itself left as it is."""

from copy import deepcopy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from notbugs.data.labeled import LabeledImages
from notbugs.errors import require_positive
from notbugs.models import ImageClassifier, frozen
from notbugs.progress import Progress, silent

Layer = Literal["features", "logits"]

DECAY, ITERATIONS = 1e-4, 500
"""Of the regression: the weight of half the squared weights, and the most steps of L-BFGS."""


def probe(
    model: ImageClassifier,
    data: LabeledImages,
    *,
    layer: Layer = "features",
    decay: float = DECAY,
    iterations: int = ITERATIONS,
    progress: Progress = silent,
) -> ImageClassifier:
    """The model with another head: logistic regression, on its features or its logits, of these images' labels.

    What is read is brought to mean 0 and variance 1 first; `decay` weighs half the squared weights against the mean
    loss, which is then convex; L-BFGS goes to its minimum, in `iterations` steps at most, and no seed plays a part.
    Of logits the mean is left out: training on labels never moves it, and it is what the initial weights made it.
    Logits are linear in the features, and so is what is read off them: the result is a classifier of the same
    architecture, for any number of classes.

    >>> from notbugs import build, load
    >>> digits = load("digits").first(500)
    >>> probed = probe(build("linear", classes=2, seed=0), digits)
    >>> probed.head.out_features, float((probed(digits.images).argmax(1) == digits.labels).float().mean()) > 0.99
    (10, True)
    """
    require_positive("iterations", iterations)
    device = data.images.device
    model = deepcopy(model).to(device)
    with frozen(model), torch.no_grad():
        # On the CPU: not every accelerator knows float64, and the features are small.
        read = torch.cat([model.embed(part).cpu().double() for part in data.images.split(500)])
    last = {name: tensor.cpu().double() for name, tensor in model.head.state_dict().items()}
    last = {name: tensor - tensor.mean(0) for name, tensor in last.items()}
    if layer == "logits":
        read = read @ last["weight"].T + last["bias"]
    middle, scale = read.mean(0), read.std(0)
    scale = torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.inf)
    weights, bias = _regression(
        (read - middle) / scale,
        data.labels.cpu(),
        data.classes,
        decay=decay,
        iterations=iterations,
        progress=progress,
    )
    weights = weights / scale
    bias = bias - weights @ middle
    if layer == "logits":
        weights, bias = weights @ last["weight"], bias + weights @ last["bias"]
    head = nn.utils.skip_init(nn.Linear, weights.shape[1], data.classes, device=device)
    with torch.no_grad():
        head.weight.copy_(weights)
        head.bias.copy_(bias)
    spec = replace(model.spec, classes=data.classes)
    return ImageClassifier(spec, body=model.body, head=head).eval()


def _regression(
    read: Tensor, labels: Tensor, classes: int, *, decay: float, iterations: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Weights and bias that minimise the mean cross-entropy plus the weights' decay."""
    weights = torch.zeros(classes, read.shape[1], dtype=torch.float64, device=read.device, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, device=read.device, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights, bias], max_iter=iterations, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )
    asked = 0

    def loss() -> Tensor:
        nonlocal asked
        asked += 1
        progress(min(asked, iterations), iterations, "logistic regression")
        search.zero_grad()
        value = functional.cross_entropy(functional.linear(read, weights, bias), labels)
        value = value + decay / 2 * weights.square().sum()
        value.backward()
        return value

    search.step(loss)
    progress(iterations, iterations, "logistic regression")
    return weights.detach(), bias.detach()


__all__ = ["DECAY", "ITERATIONS", "Layer", "probe"]
