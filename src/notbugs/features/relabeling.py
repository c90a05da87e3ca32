"""D_rand and D_det: adversarial images under the label that they were pushed to (Ilyas et al. 2019, C.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from notbugs.attacks import PGD
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError, unknown
from notbugs.features.builder import Builder, Source, build_dataset
from notbugs.progress import Progress, silent
from notbugs.tensors import Images, Labels
from notbugs.threats import Threat

Targets = Literal["random", "next"]


@final
@dataclass(frozen=True, kw_only=True)
class PushToTarget(Builder):
    """For each (x, y): choose t, move x inside the threat until the model sees t, keep (x', t). t is uniform over
    all classes, y among them (`random`: D_rand), or y + 1 (`next`: D_det).
    """

    attack: PGD
    targets: Targets
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", kind_of(self.targets))
        if not self.attack.targeted:
            raise NotbugsError("relabelling needs a targeted attack: PGD(..., targeted=True)")

    def build(self, source: Source, rows: torch.Tensor, *, generator: torch.Generator) -> LabeledImages:
        data, originals = source.data, source.data.images[rows]
        targets = chosen_targets(self.targets, data.labels[rows], data.classes, generator)
        images = self.attack(source.searched, originals, targets, generator=generator)
        return pushed(images, targets, source, rows, self.attack.threat)

    def measured(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return measured_push(columns)


def kind_of(targets: Targets) -> str:
    """What a set of such targets is called."""
    if targets not in get_args(Targets):
        raise unknown("targets", targets, get_args(Targets))
    return "rand" if targets == "random" else "det"


def chosen_targets(how: Targets, labels: Labels, classes: int, generator: torch.Generator) -> Labels:
    """The class that each image is pushed to: the next one, or one drawn from all classes, its own among them."""
    if how == "next":
        return (labels + 1) % classes
    return torch.randint(classes, (len(labels),), generator=generator, device=labels.device)


def pushed(
    images: Images, targets: Labels, source: Source, rows: torch.Tensor, threat: Threat
) -> LabeledImages:
    """Part of a built set: the images that were made of these rows, labelled as they were pushed."""
    originals = source.data.images[rows]
    if not bool(threat.contains(images, originals).all()):
        raise RuntimeError(f"the search left {threat}; this is a defect of it")
    with torch.no_grad():
        fooled = source.model(images).argmax(1) == targets
    distance = threat.size(images, originals)
    return source.made(images, targets, rows, target=targets, distance=distance, fooled=fooled)


def measured_push(columns: Mapping[str, Tensor]) -> dict[str, float]:
    """How many of the images whose target is another class the model sees as that, and how far all were moved."""
    fooled, turned = columns["fooled"], columns["target"] != columns["original_label"]
    return {
        "fooling_rate": float((fooled[turned] if bool(turned.any()) else fooled).double().mean()),
        "mean_distance": float(columns["distance"].double().mean()),
        "max_distance": float(columns["distance"].max()),
    }


def nonrobust_dataset(
    model: nn.Module,
    data: LabeledImages,
    *,
    attack: PGD,
    targets: Targets,
    seed: int,
    precision: str = "auto",
    progress: Progress = silent,
) -> LabeledImages:
    """Images whose labels only the model's non-robust features explain: D_rand (`random`) or D_det (`next`).

    The paper takes targeted PGD in L2 0.5, 100 steps of 0.1. Columns: `original_label`, `target` (the new label),
    `fooled` (the model, in float32, sees the target), `distance` (in the threat's norm). Any network will do.
    Raises NotbugsError if the attack is not targeted, or model and data do not fit.

    >>> from notbugs import L2, PGD, build, load
    >>> data, push = load("digits").first(20), PGD(threat=L2(0.5), steps=2, step_size=0.2, targeted=True)
    >>> model = build("convnet", classes=10, seed=0)
    >>> d_det = nonrobust_dataset(model, data, attack=push, targets="next", seed=0)
    >>> d_det.labels.equal((data.labels + 1) % 10)
    True
    """
    builder = PushToTarget(attack=attack, targets=targets)
    return build_dataset(builder, model, data, seed=seed, precision=precision, progress=progress)
