"""Images of a study or a build, in strips to look at side by side: original, rebuilt, and the change magnified."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch

from notbugs.app.naming import budget_text, norm_text, pushed_within
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.planted import PlantedTruth, truth_of
from notbugs.data.shards import read_origin, read_shard
from notbugs.notebook import png_uri
from notbugs.runs import Run
from notbugs.tensors import Images
from notbugs.threats import Linf, Threat

COUNT = 8
_NOTES = {
    "robust": "{start}, moved until the robust model’s features are the original’s; what that model does not look at "
    "stays as it was",
    "nonrobust": "{start}, moved until the standard model’s features are the original’s",
    "rand": "moved within {budget} towards what its source model sees as the new label, drawn at random",
    "det": "moved within {budget} towards what its source model sees as the next class; every label is wrong",
    "answered": "as they are, under the label that its source model gives them",
}


@final
@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image as a data URI. `alt` says in words what it is."""

    uri: str
    caption: str
    alt: str


@final
@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of pictures under one heading; a `wide` one has the whole width for each."""

    title: str
    note: str
    pictures: tuple[Picture, ...]
    wide: bool = False


def first_shard(stage: Run) -> LabeledImages:
    """The first images of a built data set; the rest is not read."""
    manifest = read_origin(stage.path)
    return read_shard(
        stage.path / manifest["shards"][0]["file"],
        class_names=tuple(manifest["class_names"]),
        origin=Origin(name=manifest["name"]),
    )


def strips(
    built: Mapping[str, LabeledImages],
    originals: LabeledImages | None,
    builders: Mapping[str, Mapping[str, Any]],
) -> list[Strip]:
    """The same few images in every set, by its title. Without the originals, the rebuilt images alone.

    `builders` says how each set was made.
    """
    if not built:
        return []
    rows = _chosen(built)
    parts = {key: data.take(rows) for key, data in built.items()}
    any_set = next(iter(parts.values()))
    source = None
    if originals is not None and int(any_set.columns["index"].max()) < len(originals):
        source = originals.take(any_set.columns["index"].to(originals.labels.device)).to("cpu")
    shown = []
    if source is not None:
        names = [source.class_names[label] for label in source.labels.tolist()]
        shown.append(strip("Original", "the training images and their labels", source.images, names))
        shown += _planted_shapes(source)
    for title, data in parts.items():
        shown.append(strip(title, _note(builders[title], data), data.images, _labels(data)))
        if source is not None and "target" in data.columns:
            shown += _changes(title, data, source)
    return shown


def adversarial_strips(found: LabeledImages, originals: LabeledImages | None, threat: Threat) -> list[Strip]:
    """Images that fell, beside what they were and what was added: one of every class first."""
    rows = of_every_class(found.labels.tolist(), (found.columns["fell_to"] >= 0).tolist())
    if len(rows) == 0:
        return []
    part, names = found.take(rows).to("cpu"), found.class_names
    labels = [names[label] for label in part.labels.tolist()]
    answers = [
        names[answer] if 0 <= answer < len(names) else "another"
        for answer in part.columns["predicted"].tolist()
    ]
    shown = [
        strip(
            "Adversarial", f"what the model takes them for; {budget_text(str(threat))}", part.images, answers
        )
    ]
    if originals is None or len(originals) <= int(part.columns["index"].max()):
        return shown
    source = originals.take(part.columns["index"].to(originals.labels.device)).to("cpu")
    scale, unit = (255, "/255") if isinstance(threat, Linf) else (1, "")
    norm = norm_text(str(threat))
    sizes = [f"{norm} {scale * size:.3g}{unit}" for size in part.columns["distance"].tolist()]
    return [
        strip("Original", "the images and their labels", source.images, labels),
        *shown,
        _change("Adversarial", part.images - source.images, sizes),
    ]


def of_every_class(labels: Sequence[int], is_good: Sequence[bool]) -> torch.Tensor:
    """A few good rows, of as many classes as possible, in the order of the classes."""
    turns: dict[int, int] = {}
    picked = []
    for row, label in enumerate(labels):
        if is_good[row]:
            turns[label] = turns.get(label, -1) + 1
            picked.append((turns[label], label, row))
    chosen = sorted((label, row) for _, label, row in sorted(picked)[:COUNT])
    return torch.tensor([row for _, row in chosen], dtype=torch.int64)


def _note(builder: Mapping[str, Any], data: LabeledImages) -> str:
    start = data.columns.get("start_index")
    from_noise = start is not None and bool((start < 0).all())
    return _NOTES[builder["kind"]].format(
        start="noise" if from_noise else "another image",
        budget=budget_text(threat) if (threat := pushed_within(builder)) else "its threat",
    )


def _chosen(built: Mapping[str, LabeledImages]) -> torch.Tensor:
    """Rows that all sets have, of as many classes as possible, those whose label changed and that fool first."""
    count = min(len(data) for data in built.values())
    good = torch.ones(count, dtype=torch.bool)
    for data in built.values():
        if "target" in data.columns:
            good &= (data.columns["target"] != data.columns["original_label"])[:count]
            good &= data.columns["fooled"][:count]
    labels = next(iter(built.values())).columns["original_label"][:count].tolist()
    order = sorted(range(count), key=lambda row: (not bool(good[row]), row))
    # The how-manieth of its class a row is: first one of every class, then a second one, ...
    seen: dict[int, int] = {}
    turn = {}
    for row in order:
        turn[row] = seen[labels[row]] = seen.get(labels[row], -1) + 1
    picked = sorted(order, key=lambda row: (turn[row], not bool(good[row]), labels[row]))[:COUNT]
    return torch.tensor(sorted(picked, key=lambda row: (labels[row], row)))


def _labels(data: LabeledImages) -> list[str]:
    names = data.class_names
    old = data.columns["original_label"].tolist()
    return [
        names[new] if new == before else f"{names[before]} → {names[new]}"
        for before, new in zip(old, data.labels.tolist(), strict=True)
    ]


def strip(title: str, note: str, images: Images, captions: Sequence[str]) -> Strip:
    """A row of images, each over its caption."""
    pictures = tuple(
        Picture(uri=png_uri(image), caption=caption, alt=f"{title}: {caption}" if caption else title)
        for image, caption in zip(images, captions, strict=True)
    )
    return Strip(title=title, note=note, pictures=pictures)


def _changes(title: str, data: LabeledImages, source: LabeledImages) -> list[Strip]:
    """What was added, magnified; on planted data beside what an ideal adversary would add."""
    change = data.images - source.images
    shown = [
        _change(title, change, [f"L2 {length:.2f}" for length in change.flatten(1).norm(dim=1).tolist()])
    ]
    truth = truth_of(source)
    if truth is not None and "nonrobust_class" in source.columns:
        patterns = truth.norm_nonrobust * truth.directions("nonrobust")
        old, new = source.columns["nonrobust_class"], data.labels
        ideal, factor = patterns[new] - patterns[old], magnification(change)
        captions = [f"{a} to {b}" for a, b in zip(old.tolist(), new.tolist(), strict=True)]
        note = "the planted pattern of the new class minus that of the old: what an ideal change would be"
        shown.append(strip(f"Pattern, ×{factor}", note, 0.5 + factor * ideal, captions))
    return shown


def _change(title: str, change: Images, sizes: Sequence[str]) -> Strip:
    factor = magnification(change)
    note = f"the change alone, {factor} times magnified around grey"
    return strip(f"{title} − original, ×{factor}", note, 0.5 + factor * change, sizes)


def _planted_shapes(source: LabeledImages) -> list[Strip]:
    truth: PlantedTruth | None = truth_of(source)
    if truth is None or "robust_class" not in source.columns:
        return []
    shapes = truth.norm_robust * truth.directions("robust")[source.columns["robust_class"]]
    patterns = truth.norm_nonrobust * truth.directions("nonrobust")[source.columns["nonrobust_class"]]
    factor = magnification(patterns)
    return [
        strip(
            "Planted shape",
            f"the robust feature in each: right on {truth.p_robust:.0%} of them, L2 length {truth.norm_robust:g}",
            0.5 + shapes,
            [source.class_names[k] for k in source.columns["robust_class"].tolist()],
        ),
        strip(
            f"Planted pattern, ×{factor}",
            f"the non-robust feature in each: right on {truth.p_nonrobust:.0%}, L2 length {truth.norm_nonrobust:g}, "
            f"{factor} times magnified",
            0.5 + factor * patterns,
            [source.class_names[k] for k in source.columns["nonrobust_class"].tolist()],
        ),
    ]


def magnification(change: Images) -> int:
    """The largest of 1, 2, 5, 10, ... that keeps nearly all of the change inside the picture."""
    reach = (
        float(change.abs().flatten().quantile(0.995)) if change.numel() < 2**24 else float(change.abs().max())
    )
    known = (1, 2, 5, 10, 20, 50, 100, 200)
    return max((factor for factor in known if factor * reach <= 0.5), default=1)


__all__ = ["Picture", "Strip", "adversarial_strips", "first_shard", "of_every_class", "strip", "strips"]
