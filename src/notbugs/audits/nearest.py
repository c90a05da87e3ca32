"""How near the nearest adversarial image lies, as far as an attack that looks for it can say."""

from dataclasses import replace
from functools import partial

import torch

from notbugs.attacks import Attack
from notbugs.audits.cascade import STANDS, WRONG, Cascade, propose
from notbugs.audits.views import Views
from notbugs.data.labeled import LabeledImages
from notbugs.progress import Progress, silent
from notbugs.seeds import generator
from notbugs.tensors import PerExample
from notbugs.threats import Threat


def with_nearest(
    views: Views,
    data: LabeledImages,
    done: Cascade,
    *,
    threat: Threat,
    attack: Attack,
    number: int,
    seed: int,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> tuple[Cascade, PerExample]:
    """The cascade with what `attack` (its own threat may reach further) adds, and the distances of the nearest found.

    Distances are in `threat`'s norm: 0 for an image that was wrong before, inf where no adversarial image was found.
    A standing image whose nearest one lies inside `threat` has fallen, to attack `number`.
    """
    device = data.images.device
    fell_to, images = done.fell_to.clone(), done.images.clone()
    distances = torch.full((len(data),), torch.inf, device=device)
    distances[fell_to == WRONG] = 0.0
    fallen = fell_to >= 0
    distances[fallen] = threat.size(images[fallen], data.images[fallen])
    rows = (fell_to != WRONG).nonzero()[:, 0]

    def tell(finished: int) -> None:
        progress(finished, len(rows), f"{attack}, nearest adversarial images")

    if len(rows) == 0:
        return done, distances
    proposed = propose(
        views,
        attack,
        data.take(rows),
        draw=partial(generator, seed, "nearest", device=device),
        batch_size=batch_size,
        tell=tell,
    )
    found, centers = proposed.images, data.images[rows]
    fools, met_nan = proposed.fools(data.labels[rows]), done.met_nan.clone()
    distances[rows] = torch.minimum(distances[rows], threat.size(found, centers).where(fools, torch.inf))
    met_nan[rows] |= proposed.met_nan
    fell = fools & threat.contains(found, centers) & (fell_to[rows] == STANDS)
    fell_to[rows[fell]], images[rows[fell]] = number, found[fell]
    return replace(done, fell_to=fell_to, images=images, met_nan=met_nan), distances
