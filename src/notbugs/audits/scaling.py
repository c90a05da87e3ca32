"""Whether the model wants its images scaled otherwise than they are given: normalised outside, in bytes, about 0."""

import torch

from notbugs.audits.flag import Flag
from notbugs.audits.probe import Probe, ask
from notbugs.tensors import Images

SCALINGS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "the mean and standard deviation of ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "the mean and standard deviation of CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mean 0.5 and standard deviation 0.5, to [-1, 1]": ((0.5,), (0.5,)),
    "mean 0.1307 and standard deviation 0.3081, as MNIST is": ((0.1307,), (0.3081,)),
    "a factor of 255, to bytes": ((0.0,), (1 / 255,)),
}
"""What networks are commonly fed: mean and standard deviation of each channel, or of all."""

GAINED = 0.2
"""A scaling is what the model wants if it makes so many more of the images right, and most of them."""


def other_scaling(probe: Probe) -> Flag | None:
    """Far more images are right once they are scaled as a network's inputs commonly are."""
    n, right = len(probe), int(probe.right.sum())
    if right > (1 - GAINED) * n:
        return None
    gained = {}
    for name, (mean, spread) in SCALINGS.items():
        if len(mean) in (1, probe.images.shape[1]):
            answers = ask(probe.model, _scaled(probe.images, mean, spread))
            gained[name] = int((answers.argmax(1) == probe.labels).sum())
    best = max(gained, key=lambda name: gained[name])
    if gained[best] - right < max(GAINED * n, 3) or gained[best] < 0.5 * n:
        return None
    return Flag(
        "other_scaling",
        f"{right} of {n} images in [0, 1] are right, and {gained[best]} of the same once scaled by {best}.",
        "Put that scaling into the model, as its first layer: it is given images in [0, 1], and budgets count so.",
    )


def _scaled(images: Images, mean: tuple[float, ...], spread: tuple[float, ...]) -> Images:
    about, by = (torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (mean, spread))
    return (images - about) / by


__all__ = ["SCALINGS", "other_scaling"]
