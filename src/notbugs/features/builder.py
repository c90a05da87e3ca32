"""A builder turns part of a data set into part of another: the unit of work that is repeated, resumed, spread."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.shards import concatenate
from notbugs.description import describe
from notbugs.errors import NotbugsError
from notbugs.hardware import choose_precision
from notbugs.models import frozen, model_digest
from notbugs.models.folding import fast_view, threads_for
from notbugs.models.logits import require_logits
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, Images, Labels
from notbugs.threads import over_parts

SHARD_SIZE = 500
"""Images a shard: at most this much work is lost when something dies."""


@final
@dataclass(frozen=True)
class Source:
    """What a builder works with: the model as it is, its fast view to search on, and the whole data set.

    `others`: fast views of further models, for a builder that wants some.
    """

    model: nn.Module
    searched: Classifier
    data: LabeledImages
    others: tuple[Classifier, ...] = ()

    def made(
        self, images: Images, labels: Labels, rows: torch.Tensor, **columns: torch.Tensor
    ) -> LabeledImages:
        """Part of a built set: what was made of these rows, `columns` behind those that say of which."""
        return LabeledImages(
            images=images,
            labels=labels,
            class_names=self.data.class_names,
            origin=self.data.origin,
            columns={"index": rows, "original_label": self.data.labels[rows], **columns},
        )


class Builder(ABC):
    """How to make a data set from (model, data). Subclasses are final frozen values."""

    kind: str

    @abstractmethod
    def build(self, source: Source, rows: torch.Tensor, *, generator: torch.Generator) -> LabeledImages:
        """The images made from these rows, with at least the columns `index`, `original_label`, `distance`."""

    @abstractmethod
    def measured(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """What the manifest says of a whole set: means over its labels and columns, as in its shards."""

    def described(self) -> dict[str, Any]:
        """The builder as JSON-able values, for manifests."""
        return describe(self)


def shard_count(data: LabeledImages, shard_size: int = SHARD_SIZE) -> int:
    return -(-len(data) // shard_size)


def prepare(
    model: nn.Module, data: LabeledImages, *, others: Sequence[nn.Module] = (), precision: str = "auto"
) -> Source:
    """Check that models and data fit, and make the views that the search runs on. The device is the data's."""
    views = []
    for one in (model, *others):
        one.to(data.images.device)
        require_logits(one, data.images, classes=data.classes)
        with frozen(one), torch.no_grad():
            classes = one(data.images[:1]).shape[1]
        if data.classes != classes:
            raise NotbugsError(f"the model has {classes} classes, {data.origin.name} has {data.classes}")
        views.append(fast_view(one, choose_precision(precision, data.images.device)))
    return Source(model, views[0], data, tuple(views[1:]))


def build_shard(
    builder: Builder, source: Source, index: int, *, seed: int, shard_size: int = SHARD_SIZE
) -> LabeledImages:
    """Shard `index`: its result depends on (builder, model, data, seed, index) only, not on what ran before."""
    data = source.data
    device = data.images.device
    rows = torch.arange(index * shard_size, min((index + 1) * shard_size, len(data)), device=device)

    def build(numbered: tuple[int, torch.Tensor]) -> LabeledImages:
        number, part = numbered
        draw = generator(seed, "build", index, number, device=device)
        return builder.build(source, part, generator=draw)

    # Parts that suit a CPU's cache; an accelerator takes the shard whole.
    parts = rows.split(125) if device.type == "cpu" else (rows,)
    threads = min(threads_for(view, device) for view in (source.searched, *source.others))
    with ExitStack() as held:
        for one in (source.model, *source.others):
            if isinstance(one, nn.Module):
                held.enter_context(frozen(one))
        built = over_parts(build, list(enumerate(parts)), threads=threads)
    return concatenate(built, origin=built[0].origin)


def built_origin(
    builder: Builder, model: nn.Module, data: LabeledImages, *, seed: int, others: Sequence[nn.Module] = ()
) -> Origin:
    """What `origin.json` says of a data set made by `builder`."""
    return Origin(
        name=f"{builder.kind} of {data.origin.name}",
        licence=data.origin.licence,
        citation=data.origin.citation,
        recipe={
            **builder.described(),
            "seed": seed,
            **({"others": [model_digest(one) for one in others]} if others else {}),
        },
        parent=data.digest,
        model=model_digest(model),
    )


def build_dataset(
    builder: Builder,
    model: nn.Module,
    data: LabeledImages,
    *,
    seed: int,
    others: Sequence[nn.Module] = (),
    shard_size: int = SHARD_SIZE,
    precision: str = "auto",
    progress: Progress = silent,
) -> LabeledImages:
    """All shards in memory; the same images as the command line writes to disk."""
    source = prepare(model, data, others=others, precision=precision)
    count = shard_count(data, shard_size)
    shards = []
    for index in range(count):
        shards.append(build_shard(builder, source, index, seed=seed, shard_size=shard_size))
        progress(index + 1, count, f"{builder.kind}, {len(shards[-1])} images a shard")
    return concatenate(shards, origin=built_origin(builder, model, data, seed=seed, others=others))
