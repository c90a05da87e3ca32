"""From an architecture's name to a network with seeded weights."""

import re
from collections.abc import Callable

import torch
from torch import nn

from notbugs.errors import NotbugsError, unknown
from notbugs.models.classifier import ImageClassifier, ModelSpec
from notbugs.models.convnet import ConvNet
from notbugs.models.initial_weights import draw_initial_weights
from notbugs.models.resnet9 import ResNet9
from notbugs.models.wide_resnet import WideResNet
from notbugs.seeds import generator

BODIES: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "convnet": lambda spec: ConvNet(spec.channels),
    "resnet9": lambda spec: ResNet9(spec.channels),
}
"""A body maps normalised images to (batch, body.out_features). To add an architecture, add a row."""

ARCHITECTURES = (*BODIES, "wrn-10-2", "wrn-16-2", "wrn-28-10")
"""Names that `build` knows; also `wrn-D-K` for any D = 6n + 4, and `convnet-W1-W2-W3-W4` for other widths."""


def build(
    arch: str | ModelSpec, *, classes: int | None = None, image_size: int = 32, channels: int = 3, seed: int
) -> ImageClassifier:
    """A classifier in channels_last, its weights drawn from `seed` alone; the global RNG is not touched.

    Give a name with `classes` (and image size and channels), or a whole `ModelSpec`.

    >>> build("convnet", classes=2, seed=0)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 2])
    """
    if isinstance(arch, ModelSpec):
        spec = arch
        if classes not in (None, spec.classes):
            raise NotbugsError(f"the spec says {spec.classes} classes, the call {classes}: give one of them")
    elif classes is None:
        raise NotbugsError(f"give the number of classes: build({arch!r}, classes=..., seed=...)")
    else:
        spec = ModelSpec(
            arch=arch,
            classes=classes,
            image_size=image_size,
            channels=channels,
            mean=(0.5,) * channels,
            std=(0.25,) * channels,
        )
    # On the meta device nothing is drawn or filled: the weights are drawn once, from our generator.
    with torch.device("meta"):
        body = _body(spec)
        head = nn.Linear(body.out_features, spec.classes)  # type: ignore[arg-type]
    for part in (body, head):
        part.to_empty(device="cpu")
        draw_initial_weights(part, generator=generator(seed, "weights", "body" if part is body else "head"))
    return ImageClassifier(spec, body=body, head=head).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _body(spec: ModelSpec) -> nn.Module:
    if spec.arch in BODIES:
        return BODIES[spec.arch](spec)
    if match := re.fullmatch(r"wrn-(\d+)-(\d+)", spec.arch):
        return WideResNet(spec.channels, depth=int(match[1]), width=int(match[2]))
    if match := re.fullmatch(r"convnet-([1-9]\d*)-([1-9]\d*)-([1-9]\d*)-([1-9]\d*)", spec.arch):
        return ConvNet(spec.channels, widths=tuple(int(width) for width in match.groups()))
    raise unknown("architecture", spec.arch, ARCHITECTURES)


__all__ = ["ARCHITECTURES", "build"]
