"""Labelled images as a value: one tensor of images, one of labels, and where they came from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, final

import numpy as np
import torch

from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.tensors import Images, Labels

FEW_STEPS = 0.1
"""Labels of fewer neighbours differ where images lie class by class; of random ones at least this many do."""


@final
@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a data set came from: enough to say whether two are the same, and how to make it again."""

    name: str
    licence: str = "unknown"
    citation: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)  # for a built set: kind, seed, threat, steps, ...
    parent: str = ""  # digest of the data set it was built from
    model: str = ""  # digest of the model it was built with


@final
@dataclass(frozen=True, kw_only=True)
class LabeledImages:
    """Images float32 in [0, 1], NCHW; labels int64; further per-image columns by name.

    `columns` holds whatever else is known of each image: `index`, `original_label` and `target` in a built
    data set, `robust_class` and `nonrobust_class` in a planted one. Raises NotbugsError if the parts disagree.

    >>> import torch
    >>> data = LabeledImages(images=torch.zeros(2, 3, 4, 4), labels=torch.tensor([0, 1]),
    ...                      class_names=("cat", "dog"))
    >>> len(data), data.classes, data.take(torch.tensor([1])).labels.tolist()
    (2, 2, [1])
    """

    images: Images
    labels: Labels
    class_names: tuple[str, ...]
    origin: Origin = Origin(name="images")
    columns: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.images) if self.images.dim() else 0
        if n == 0:
            raise NotbugsError(f"{self.origin.name} has 0 images; nothing can be measured on it")
        if self.images.dim() != 4 or 0 in self.images.shape or self.images.dtype != torch.float32:
            raise NotbugsError(
                f"{self.origin.name}: images are {self.images.dtype} of shape {tuple(self.images.shape)}, expected "
                "float32 of shape (n, channels, height, width) in [0, 1]; bytes: images.float() / 255"
            )
        if self.labels.dim() != 1 or self.labels.dtype != torch.int64:
            raise NotbugsError(
                f"{self.origin.name}: labels are {self.labels.dtype} of shape {tuple(self.labels.shape)}, expected "
                "int64 of shape (n,); convert with labels.long()"
            )
        # Also false where there is a NaN. What is stored is looked at when it is read.
        if not isinstance(self.images, StoredImages) and not (
            self.images.amin() >= 0 and self.images.amax() <= 1
        ):
            outside = ~((self.images >= 0) & (self.images <= 1)).flatten(1).all(1)
            row = int(outside.nonzero()[0])
            raise NotbugsError(
                f"{self.origin.name}: image {row} has values outside [0, 1] (or NaN); "
                "give pixels as they are, divided by 255 and not normalised"
            )
        for name, column in {"labels": self.labels, **self.columns}.items():
            if not column.dim() or len(column) != n:
                count = len(column) if column.dim() else "no list of"
                raise NotbugsError(f"{self.origin.name}: {n} images but {count} values of {name}")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= self.classes:
            bad = low if low < 0 else high
            row = int((self.labels == bad).nonzero()[0])
            raise NotbugsError(
                f"{self.origin.name}: row {row} has label {bad}, expected 0 to {self.classes - 1} "
                f"for {self.classes} classes"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def take(self, rows: torch.Tensor) -> "LabeledImages":
        """The rows named by `rows` (indices or a mask), with all their columns, in memory."""
        return self._of(rows, self.images[rows])

    def _of(self, rows: torch.Tensor, images: Images) -> "LabeledImages":
        return replace(
            self,
            images=images,
            labels=self.labels[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def first(self, count: int) -> "LabeledImages":
        """At most the first `count` images."""
        return self if count >= len(self) else self._narrowed(torch.arange(count, device=self.labels.device))

    def _narrowed(self, rows: torch.Tensor) -> "LabeledImages":
        """These rows, in memory unless they are stored and do not fit there."""
        images = self.images
        if isinstance(images, StoredImages):
            return self._of(rows, images.narrowed(rows).read_if_it_fits())
        return self.take(rows)

    def part(self, count: int) -> "LabeledImages":
        """At most `count` images for a test: the first, or evenly spread ones where the images lie class by class.

        >>> from notbugs.data import load
        >>> digits = load("digits")
        >>> by_class = digits.take(digits.labels.argsort(stable=True))
        >>> by_class.first(5).labels.tolist(), by_class.part(5).labels.tolist()
        ([0, 0, 0, 0, 0], [0, 2, 4, 6, 8])
        """
        steps = self.labels.diff()
        # Also where several parts lie one after the other, each of them class by class.
        by_class = not bool((steps < 0).any()) or int((steps != 0).sum()) < FEW_STEPS * len(steps)
        if count >= len(self) or not by_class:
            return self.first(count)
        return self._narrowed(torch.arange(count, device=self.labels.device) * len(self) // count)

    def to(self, device: torch.device | str) -> "LabeledImages":
        """The same data set on a device; one whose images are there is itself. A digest that is known stays known:
        for it all images are read.
        """
        images, labels = self.images.to(device), self.labels.to(device)
        columns = {name: column.to(device) for name, column in self.columns.items()}
        there = [images is self.images, labels is self.labels]
        if all(there + [columns[name] is column for name, column in self.columns.items()]):
            return self
        moved = replace(self, images=images, labels=labels, columns=columns)
        if "digest" in vars(self):
            vars(moved)["digest"] = self.digest
        return moved

    def relabeled(self, labels: torch.Tensor) -> "LabeledImages":
        """The same images under other labels."""
        return replace(self, labels=labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of images, labels and class names (not of the origin: same content, same digest)."""
        hasher = hashlib.sha256()
        hasher.update("\0".join(self.class_names).encode())
        hasher.update(str(tuple(self.images.shape)).encode())
        for part in chain(self.images.split(1000), (self.labels,)):
            hasher.update(np.ascontiguousarray(part.cpu().numpy()).data)
        return hasher.hexdigest()

    @property
    def known_by(self) -> dict[str, str]:
        """What a run directory says of the data that it was made from."""
        return {"name": self.origin.name, "digest": self.digest}

    def __repr__(self) -> str:
        n, c, h, w = self.images.shape
        return f"LabeledImages({self.origin.name}: {n} images {c}x{h}x{w}, {self.classes} classes)"

    def _repr_html_(self) -> str:
        from notbugs.notebook import images_html

        return images_html(self)
