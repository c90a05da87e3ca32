"""A classifier is normalisation -> body -> head: images in [0, 1] go in, logits come out.

Normalisation is the first layer and is saved with the weights, so that nobody who attacks, audits or
reloads a model has to know how it was trained.

The `forward` methods of this package carry `no_type_check`: `torch.fx` passes symbols through them, which a
run-time type checker would refuse. The annotations hold for real calls all the same.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final, no_type_check

import torch
from torch import Tensor, fx, nn

from notbugs.errors import NotbugsError
from notbugs.foreign import from_json
from notbugs.tensors import Embeddings, Images, Logits

LARGEST = 2**20
"""Bound on every count in a spec: a slip, or a file that lies, should not ask for the whole memory."""


@final
@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything needed to build a network, its weights apart. `mean`, `std`: pixel units, per channel.

    >>> spec = ModelSpec(arch="convnet", classes=10)
    >>> ModelSpec.from_json(spec.to_json()) == spec
    True
    """

    arch: str
    classes: int
    image_size: int = 32
    channels: int = 3
    mean: tuple[float, ...] = (0.5,) * 3
    std: tuple[float, ...] = (0.25,) * 3

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise NotbugsError(f"a classifier needs at least 2 classes, got {self.classes}")
        for name in ("classes", "image_size", "channels"):
            if not 1 <= getattr(self, name) <= LARGEST:
                raise NotbugsError(
                    f"{name} must be positive and at most {LARGEST}, got {getattr(self, name)}"
                )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not all(map(math.isfinite, values)):
                raise NotbugsError(f"{name} must be finite, got {values}")
            if len(values) != self.channels:
                raise NotbugsError(
                    f"{name} has {len(values)} values for {self.channels} channels: give one each"
                )
        if not all(value > 0 for value in self.std):
            raise NotbugsError(f"std must be positive, got {self.std}")

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON-able values."""
        fields = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    @staticmethod
    def from_dict(fields: Mapping[str, Any]) -> "ModelSpec":
        """The inverse of `to_dict`; a missing or unknown field is a `NotbugsError`."""
        known = {field.name for field in dataclasses.fields(ModelSpec)}
        strange = sorted(set(fields) - known)
        missing = sorted({"arch", "classes"} - set(fields))
        if strange or missing:
            raise NotbugsError(f"not a model spec: missing fields {missing}, unknown fields {strange}")
        values: dict[str, Any] = dict(fields)
        integers = [values[name] for name in ("classes", "image_size", "channels") if name in values]
        if not isinstance(values["arch"], str) or not all(type(value) is int for value in integers):
            raise NotbugsError(
                "not a model spec: arch must be text, classes, image_size and channels integers"
            )
        try:
            for name in ("mean", "std"):
                if name in values:
                    values[name] = tuple(float(value) for value in values[name])
        except (TypeError, ValueError, OverflowError) as error:
            raise NotbugsError(
                f"not a model spec: mean and std must be lists of numbers ({error})"
            ) from error
        return ModelSpec(**values)

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal specs give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "ModelSpec":
        """The inverse of `to_json`."""
        try:
            fields = from_json(text)
        except ValueError as error:
            raise NotbugsError(f"not a model spec: {error}") from error
        if not isinstance(fields, dict):
            raise NotbugsError("not a model spec: expected a JSON object")
        return ModelSpec.from_dict(fields)


@fx.wrap  # a tracer's symbols have no shape to look at: the check becomes a step of the traced network
def _require_channels(images: Tensor, channels: int) -> None:
    """One channel would be spread over three without a word."""
    if images.shape[1] != channels:
        raise NotbugsError(f"the model takes {channels} channels, the images have {images.shape[1]}")


class Normalize(nn.Module):
    """(images - mean) / std per channel; mean and std are buffers, saved with the weights.

    The result has the dtype of the buffers, so a model cast to bfloat16 or float64 takes float32 images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    @no_type_check
    def forward(self, images: Images) -> Images:
        """Centered and scaled images, same shape. Raises NotbugsError if the channels are not the model's."""
        _require_channels(images, self.mean.shape[1])
        return ((images - self.mean) / self.std).type_as(self.mean)


class ImageClassifier(nn.Module):
    """normalize -> body -> head. `body` maps normalised images to flat features, `head` is linear.

    >>> from notbugs.models import build
    >>> model = build("convnet", classes=10, seed=0).eval()
    >>> images = torch.rand(2, 3, 32, 32)
    >>> torch.equal(model(images), model.head(model.embed(images)))
    True
    """

    def __init__(self, spec: ModelSpec, *, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.normalize = Normalize(spec.mean, spec.std)
        self.body = body
        self.head = head

    @no_type_check
    def embed(self, images: Images) -> Embeddings:
        """Flat features before the head: (batch, features)."""
        return self.body(self.normalize(images))

    @no_type_check
    def forward(self, images: Images) -> Logits:
        """Logits: (batch, classes)."""
        return self.head(self.embed(images))


__all__ = ["ImageClassifier", "ModelSpec", "Normalize"]
