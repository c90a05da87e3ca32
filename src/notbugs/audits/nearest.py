"""How near the nearest adversarial image lies, as far as an attack that looks for it can say."""

from dataclasses import replace

import torch

from notbugs.attacks import Attack
from notbugs.audits.cascade import STANDS, WRONG, Cascade, predictions, search
from notbugs.data.labeled import LabeledImages
from notbugs.hardware import choose_precision
from notbugs.models.folding import fast_view
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import Classifier, PerExample
from notbugs.threats import Threat


def with_nearest(
    model: Classifier,
    data: LabeledImages,
    done: Cascade,
    *,
    threat: Threat,
    attack: Attack,
    number: int,
    seed: int,
    batch_size: int | None = None,
    precision: str = "auto",
    progress: Progress = silent,
) -> tuple[Cascade, PerExample]:
    """The cascade with what `attack` (its own threat may reach further) adds, and the distances of the nearest found.

    Distances are in `threat`'s norm: 0 for an image that was wrong before, inf where no adversarial image was found.
    A standing image whose nearest one lies inside `threat` has fallen, to attack `number`.
    """
    device = data.images.device
    fast = fast_view(model, choose_precision(precision, device))
    batch_size = batch_size or (128 if device.type == "cpu" else 1000)
    fell_to, images = done.fell_to.clone(), done.images.clone()
    distances = torch.full((len(data),), torch.inf, device=device)
    distances[fell_to == WRONG] = 0.0
    fallen = fell_to >= 0
    distances[fallen] = threat.size(images[fallen], data.images[fallen])
    rows_right = (fell_to != WRONG).nonzero()[:, 0]
    finished = 0
    for index, rows in enumerate(rows_right.split(batch_size) if len(rows_right) > 0 else ()):
        centers, labels = data.images[rows], data.labels[rows]
        draw = generator(seed, "nearest", index, device=device)
        found = search(attack, model, centers, labels, fast=fast, generator=draw)
        is_adversarial = predictions(model, found) != labels
        reached = threat.size(found, centers).where(is_adversarial, torch.inf)
        distances[rows] = torch.minimum(distances[rows], reached)
        fell = is_adversarial & threat.contains(found, centers) & (fell_to[rows] == STANDS)
        fell_to[rows[fell]], images[rows[fell]] = number, found[fell]
        finished += len(rows)
        progress(finished, len(rows_right), f"{attack}, nearest adversarial images")
    return replace(done, fell_to=fell_to, images=images), distances
