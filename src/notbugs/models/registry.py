"""From an architecture's name to a network with seeded weights."""

import re
from collections.abc import Callable

import torch
from torch import nn

from notbugs.errors import NotbugsError, unknown
from notbugs.models.classifier import ImageClassifier, ModelSpec
from notbugs.models.convnet import ConvNet
from notbugs.models.densenet import DenseNet
from notbugs.models.inception import Inception
from notbugs.models.initial_weights import draw_initial_weights
from notbugs.models.pixels import Pixels
from notbugs.models.resnet import BasicBlock, Bottleneck, ResNet
from notbugs.models.resnet9 import ResNet9
from notbugs.models.vgg import VGG16
from notbugs.models.wide_resnet import WideResNet
from notbugs.seeds import generator


def _resnet(block: type[BasicBlock] | type[Bottleneck], *blocks: int) -> Callable[..., nn.Module]:
    return lambda spec, **width: ResNet(
        spec.channels, image_size=spec.image_size, block=block, blocks=blocks, **width
    )


BODIES: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda spec: Pixels(spec.channels, image_size=spec.image_size),
    "convnet": lambda spec: ConvNet(spec.channels),
    "resnet9": lambda spec, **width: ResNet9(spec.channels, **width),
    "resnet18": _resnet(BasicBlock, 2, 2, 2, 2),
    "resnet50": _resnet(Bottleneck, 3, 4, 6, 3),
    "vgg16": lambda spec, **width: VGG16(spec.channels, **width),
    "densenet": lambda spec, width=12: DenseNet(spec.channels, image_size=spec.image_size, growth=width),
    "inception": lambda spec, **width: Inception(spec.channels, image_size=spec.image_size, **width),
}
"""A body maps normalised images to (batch, body.out_features); it is made from the spec, and where WIDE names it from
`width=` too. To add an architecture, add a row.
"""

WIDE = ("resnet9", "resnet18", "resnet50", "vgg16", "densenet", "inception")

SMALLEST_IMAGE = {"resnet9": 8, "vgg16": 32, "densenet": 4}
"""Pixels a side below which pooling would leave nothing; 1 for the others."""

ARCHITECTURES = (*BODIES, "wrn-10-2", "wrn-16-2", "wrn-28-10")
"""Names that `build` knows; also `wrn-D-K` for any D = 6n + 4, `convnet-W1-W2-W3-W4` for other widths, and `NAME-W`
for the deep ones with W maps in their first layer, of densenet W more in each: `resnet18-16` has a quarter."""


def build(
    arch: str | ModelSpec, *, classes: int | None = None, image_size: int = 32, channels: int = 3, seed: int
) -> ImageClassifier:
    """A classifier in channels_last, its weights drawn from `seed` alone; the global RNG is not touched.

    Give a name with `classes` (and image size and channels), or a whole `ModelSpec`. Raises NotbugsError for an
    unknown name, fewer than 2 classes, or images too small for the network.

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
        mean, std = (0.5,) * channels, (0.25,) * channels
        spec = ModelSpec(
            arch=arch, classes=classes, image_size=image_size, channels=channels, mean=mean, std=std
        )
    model = skeleton(spec)
    for name, part in (("body", model.body), ("head", model.head)):
        part.to_empty(device="cpu")
        draw_initial_weights(part, generator=generator(seed, "weights", name))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def skeleton(spec: ModelSpec) -> ImageClassifier:
    """The network of `spec` with body and head on the meta device: shapes and names, no weights, no draws."""
    smallest = SMALLEST_IMAGE.get(spec.arch.partition("-")[0], 1)
    if spec.image_size < smallest:
        raise NotbugsError(f"{spec.arch} needs images of at least {smallest} pixels, got {spec.image_size}")
    try:
        with torch.device("meta"):
            body = _body(spec)
            head = nn.Linear(body.out_features, spec.classes)  # type: ignore[arg-type]
    except RuntimeError as error:  # more weights than can be counted
        raise NotbugsError(
            f"{spec.arch} for {spec.image_size} pixels and {spec.classes} classes is too large"
        ) from error
    return ImageClassifier(spec, body=body, head=head)


def _body(spec: ModelSpec) -> nn.Module:
    if spec.arch in BODIES:
        return BODIES[spec.arch](spec)
    if match := re.fullmatch(rf"({'|'.join(WIDE)})-([1-9]\d{{0,3}})", spec.arch):
        return BODIES[match[1]](spec, width=int(match[2]))
    if match := re.fullmatch(r"wrn-(\d{1,3})-(\d{1,3})", spec.arch):
        return WideResNet(spec.channels, depth=int(match[1]), width=int(match[2]))
    if match := re.fullmatch(
        r"convnet-([1-9]\d{0,4})-([1-9]\d{0,4})-([1-9]\d{0,4})-([1-9]\d{0,4})", spec.arch
    ):
        return ConvNet(spec.channels, widths=tuple(int(width) for width in match.groups()))
    raise unknown("architecture", spec.arch, ARCHITECTURES)


__all__ = ["ARCHITECTURES", "build", "skeleton"]
