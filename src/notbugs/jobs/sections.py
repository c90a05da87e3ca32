"""The sections of an audit that no adversary takes part in, each a run directory of its own, made part by part."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from notbugs.audits import HeatMap, Mean, Proportion, RegionMap, ShiftAudit, heat_map, region_map, shifted
from notbugs.audits.flag import Flag
from notbugs.audits.saliency import (
    energy_inside,
    input_gradient,
    integrated_gradients,
    planted_masks,
    pointing_game,
    smooth_gradient,
)
from notbugs.audits.spectral import HEAT_PARTS, heat_frequencies, spectral_sensitivity, usual_norm
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, parts_of, section_job
from notbugs.jobs.subject import Subject
from notbugs.progress import Progress
from notbugs.runs import Run
from notbugs.seeds import generator
from notbugs.shifts import Shift


def shifts_job(
    job: Job,
    name: str,
    subject: Subject,
    data: LabeledImages,
    *,
    groups: Mapping[str, Mapping[str, Shift]],
    averaged: bool = False,
    seeds: Sequence[int] = (0,),
) -> Run:
    """`shifted` in a run directory, a group of shifts a part; metrics are named `<group>.<name of the shift>`.

    `averaged` adds the mean of each group, its worst case (right under every shift of it, with every seed), and the
    mean of all.
    """
    names = list(groups)

    def make(index: int, progress: Progress) -> Tensors:
        shifts = list(groups[names[index]].values())
        found = shifted(
            subject.model, data, shifts=shifts, seeds=seeds, precision=job.precision, progress=progress
        )
        return {"clean": found.clean, "right": found.right}

    # A list keeps its order in a file that sorts its keys.
    told = {
        "groups": [
            [group, [[key, str(one)] for key, one in shifts.items()]] for group, shifts in groups.items()
        ],
        "seeds": list(seeds),
    }

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        found = _shift_audit(
            parts, [str(one) for shifts in groups.values() for one in shifts.values()], seeds
        )
        measured: dict[str, Proportion | Mean] = {"clean_accuracy": found.clean_accuracy}
        for group, shifts in groups.items():
            measured |= {f"{group}.{key}": found.accuracy(shift) for key, shift in shifts.items()}
            if averaged:
                measured[f"{group}.mean"] = found.accuracy(shifts.values())
                measured[f"{group}.worst"] = found.worst(shifts.values())
        if averaged:
            measured["mean"] = found.accuracy([one for shifts in groups.values() for one in shifts.values()])
        return measured, ()

    return section_job(job, name, subject, data, told, len(names), make, summary)


def read_shifts(run: Run) -> ShiftAudit:
    """What a finished `shifts_job` found."""
    texts = [text for shifts in shift_groups(run).values() for text in shifts.values()]
    return _shift_audit(parts_of(run), texts, run.config["seeds"])


def shift_groups(run: Run) -> dict[str, dict[str, str]]:
    """The groups of a `shifts_job`, in order: the text of each shift by the name that its metric has."""
    return {group: dict(shifts) for group, shifts in run.config["groups"]}


def heat_map_job(
    job: Job, name: str, subject: Subject, data: LabeledImages, *, step: int = 1, norm: float | None = None
) -> Run:
    """`heat_map` and `spectral_sensitivity` in a run directory, some Fourier basis vectors a part."""
    height, width = data.images.shape[2:]
    norm = usual_norm(height, width) if norm is None else norm
    chosen = heat_frequencies(height, width, step=step)
    pieces = chosen.split(HEAT_PARTS)

    def make(index: int, progress: Progress) -> Tensors:
        if index == len(pieces):
            return {"sensitivity": spectral_sensitivity(subject.model, data)}
        found = heat_map(
            subject.model,
            data,
            norm=norm,
            step=step,
            frequencies=pieces[index],
            seed=job.seed,
            precision=job.precision,
            progress=progress,
        )
        return {"wrong": found.wrong}

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        wrong = torch.cat([part["wrong"] for part in parts[:-1]])
        rings = torch.hypot(*chosen.double().unbind(1)).round().long()
        # The vectors of a ring are tried on the same images: those are what was sampled.
        n = len(data)
        of_ring = {ring: n - float(wrong[rings == ring].double().mean()) for ring in rings.unique().tolist()}
        return {f"ring.{ring}": Proportion(round(right), n) for ring, right in of_ring.items()}, ()

    told = {
        "norm": norm,
        "step": step,
        "image_size": [height, width],
        "vectors": len(chosen),
        "part": HEAT_PARTS,
    }
    return section_job(job, name, subject, data, told, len(pieces) + 1, make, summary)


def read_heat_map(run: Run) -> tuple[HeatMap, Tensor]:
    """The heat map of a finished `heat_map_job`, and the spectral sensitivity."""
    config, parts = run.config, parts_of(run)
    height, width = config["image_size"]
    found = HeatMap(
        norm=config["norm"],
        step=config["step"],
        image_size=(height, width),
        frequencies=heat_frequencies(height, width, step=config["step"]),
        wrong=torch.cat([part["wrong"] for part in parts[:-1]]),
        n=config["n"],
    )
    return found, parts[-1]["sensitivity"]


def region_job(job: Job, name: str, subject: Subject, data: LabeledImages) -> Run:
    """`region_map` in a run directory."""

    def make(index: int, progress: Progress) -> Tensors:
        found = region_map(subject.model, data, seed=job.seed, precision=job.precision, progress=progress)
        places = {"size": found.size, "top": found.top, "left": found.left}
        return {key: torch.tensor(value) for key, value in places.items()} | {
            "followed": found.followed,
            "moved": found.moved,
        }

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        found = _region_map(parts[0])
        flag = found.flag()
        return ({"strongest": found.strongest_share} if found.n else {}), [flag] if flag else []

    return section_job(job, name, subject, data, {}, 1, make, summary)


def read_regions(run: Run) -> RegionMap:
    """What a finished `region_job` found."""
    return _region_map(parts_of(run)[0])


def saliency_job(job: Job, name: str, subject: Subject, data: LabeledImages) -> Run:
    """Three saliency maps of each image in a run directory, and how much of them lies where planted features do."""
    masks = planted_masks(data)

    def make(index: int, progress: Progress) -> Tensors:
        images, labels = data.images, data.labels
        draw = generator(job.seed, "saliency", device="cpu")
        progress(0, 3, "input gradients")
        maps = {"gradient": input_gradient(subject.model, images, labels)}
        progress(1, 3, "SmoothGrad")
        maps["smooth"] = smooth_gradient(subject.model, images, labels, generator=draw)
        progress(2, 3, "integrated gradients")
        maps["integrated"] = integrated_gradients(subject.model, images, labels).abs().sum(1)
        return maps

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        measured: dict[str, Proportion | Mean] = {}
        for feature, mask in masks.items():
            for method, maps in parts[0].items():
                of = f"{feature}.{method}"
                measured[f"{of}.energy"] = Mean.over(energy_inside(maps, mask.cpu()).double())
                measured[f"{of}.pointing"] = pointing_game(maps, mask.cpu())
            measured[f"{feature}.area"] = Mean.over(mask.cpu().double().mean((1, 2)))
        return measured, ()

    return section_job(job, name, subject, data, {}, 1, make, summary)


def read_saliency(run: Run) -> dict[str, Tensor]:
    """The maps of a finished `saliency_job` by method, each (images, height, width)."""
    return parts_of(run)[0]


def _shift_audit(parts: Sequence[Tensors], shifts: Sequence[str], seeds: Sequence[int]) -> ShiftAudit:
    return ShiftAudit(
        shifts=tuple(shifts),
        seeds=tuple(seeds),
        clean=parts[0]["clean"],
        right=torch.cat([part["right"] for part in parts]),
    )


def _region_map(part: Tensors) -> RegionMap:
    height, width = part["size"].tolist()
    return RegionMap(
        size=(height, width),
        top=tuple(part["top"].tolist()),
        left=tuple(part["left"].tolist()),
        followed=part["followed"],
        moved=part["moved"],
    )


__all__ = [
    "heat_map_job",
    "read_heat_map",
    "read_regions",
    "read_shifts",
    "read_saliency",
    "region_job",
    "saliency_job",
    "shift_groups",
    "shifts_job",
]
