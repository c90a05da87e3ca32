"""The sections of an audit about shifts and frequencies, each a run directory of its own, made part by part."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from notbugs.audits import HeatMap, Mean, Proportion, ShiftAudit, predictions
from notbugs.audits.flag import Flag
from notbugs.audits.shifted import trials
from notbugs.audits.spectral import (
    HEAT_PARTS,
    errors_along,
    heat_frequencies,
    spectral_sensitivity,
    usual_norm,
)
from notbugs.data.labeled import LabeledImages
from notbugs.jobs.job import Job
from notbugs.jobs.section import Measured, Tensors, of_earlier_version, parts_of, section_job, views_once
from notbugs.jobs.subject import Subject
from notbugs.models import frozen
from notbugs.once import Once
from notbugs.progress import Progress
from notbugs.runs import Run
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

    Groups may share shifts, as what takes the shape away leaves the texture: each is tried once, for the first.

    `averaged` adds the mean of each group, its worst case (right under every shift of it, with every seed), and the
    mean of all.
    """
    pieces = _each_once(groups)
    asked = views_once(job, subject, data)
    clean = Once(lambda: predictions(subject.model, data.images) == data.labels)

    def make(index: int, progress: Progress) -> Tensors:
        with frozen(subject.model):
            right = trials(asked(), data, shifts=pieces[index], seeds=seeds, progress=progress)
        found = {"right": right}
        if index == 0:  # the same in all parts, and every worker would ask for it
            found["clean"] = clean()
        return found

    # A list keeps its order in a file that sorts its keys.
    told = {
        "groups": [
            [group, [[key, str(one)] for key, one in shifts.items()]] for group, shifts in groups.items()
        ],
        "seeds": list(seeds),
        **({"parts": len(pieces)} if len(pieces) < len(groups) else {}),
    }

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        found = _shift_audit(parts, [str(one) for piece in pieces for one in piece], seeds)
        measured: dict[str, Proportion | Mean] = {"clean_accuracy": found.clean_accuracy}
        for group, shifts in groups.items():
            measured |= {f"{group}.{key}": found.accuracy(shift) for key, shift in shifts.items()}
            if averaged:
                measured[f"{group}.mean"] = found.accuracy(shifts.values())
                measured[f"{group}.worst"] = found.worst(shifts.values())
        if averaged:
            measured["mean"] = found.accuracy([one for shifts in groups.values() for one in shifts.values()])
        return measured, ()

    return section_job(job, name, subject, data, told, len(pieces), make, summary)


def read_shifts(run: Run) -> ShiftAudit:
    """What a finished `shifts_job` found."""
    texts = dict.fromkeys(text for shifts in shift_groups(run).values() for text in shifts.values())
    parts = parts_of(run)
    if sum(len(part["right"]) for part in parts) != len(texts):
        raise of_earlier_version(run)
    return _shift_audit(parts, list(texts), run.config["seeds"])


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
    asked = views_once(job, subject, data)

    def make(index: int, progress: Progress) -> Tensors:
        if index == len(pieces):
            return {"sensitivity": spectral_sensitivity(subject.model, data)}
        with frozen(subject.model):
            wrong = errors_along(asked(), data, pieces[index], norm=norm, seed=job.seed, progress=progress)
        return {"wrong": wrong}

    def summary(parts: Sequence[Tensors]) -> tuple[Measured, Sequence[Flag]]:
        # The vectors of a ring are tried on the same images: those are what was sampled.
        n, rings = len(data), _heat_map(parts, norm, step, (height, width), len(data)).by_radius()
        return {f"ring.{ring}": Proportion(round(n * (1 - error)), n) for ring, error in rings.items()}, ()

    told = {
        "norm": norm,
        "step": step,
        "image_size": [height, width],
        "vectors": len(chosen),
        "part": HEAT_PARTS,
        **({"rings": "cycles per shorter side"} if height != width else {}),
    }
    return section_job(job, name, subject, data, told, len(pieces) + 1, make, summary)


def read_heat_map(run: Run) -> tuple[HeatMap, Tensor]:
    """The heat map of a finished `heat_map_job`, and the spectral sensitivity."""
    config, parts = run.config, parts_of(run)
    height, width = config["image_size"]
    found = _heat_map(parts, config["norm"], config["step"], (height, width), config["n"])
    return found, parts[-1]["sensitivity"]


def _each_once(groups: Mapping[str, Mapping[str, Shift]]) -> list[list[Shift]]:
    """Of each group the shifts that no earlier one has, where there are any."""
    known: set[str] = set()
    pieces = []
    for shifts in groups.values():
        new = {str(one): one for one in shifts.values() if str(one) not in known}
        known |= set(new)
        pieces.append(list(new.values()))
    return [piece for piece in pieces if piece]


def _shift_audit(parts: Sequence[Tensors], shifts: Sequence[str], seeds: Sequence[int]) -> ShiftAudit:
    return ShiftAudit(
        shifts=tuple(shifts),
        seeds=tuple(seeds),
        clean=parts[0]["clean"],
        right=torch.cat([part["right"] for part in parts]),
    )


def _heat_map(
    parts: Sequence[Tensors], norm: float, step: int, image_size: tuple[int, int], n: int
) -> HeatMap:
    return HeatMap(
        norm=norm,
        step=step,
        image_size=image_size,
        frequencies=heat_frequencies(*image_size, step=step),
        wrong=torch.cat([part["wrong"] for part in parts[:-1]]),
        n=n,
    )


__all__ = [
    "heat_map_job",
    "read_heat_map",
    "read_shifts",
    "shift_groups",
    "shifts_job",
]
