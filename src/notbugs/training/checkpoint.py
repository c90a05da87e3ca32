"""Training state on disk: tensors in one safetensors file, the rest as JSON in its header; replaced atomically."""

import json
from dataclasses import asdict, dataclass, field
from typing import final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.foreign import from_json, require_regular
from notbugs.integrity import DIGEST, digest_of, is_intact
from notbugs.locations import Location, local_file

TOTALS = "totals"


@final
@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch: means over the images as they were trained on; validation on clean images, where there are any."""

    epoch: int
    loss: float
    accuracy: float
    lr: float
    validation_accuracy: float | None = None


@final
@dataclass(frozen=True)
class Checkpoint:
    """All that the next step depends on; random draws are derived from (seed, epoch, step): no state.

    `steps` of the epoch after the last one in `metrics` are done; `totals` has loss and right answers over them, of
    each rank.
    """

    tensors: dict[str, torch.Tensor]
    metrics: tuple[EpochMetrics, ...]
    identity: str
    steps: int = 0
    totals: torch.Tensor = field(default_factory=lambda: torch.zeros(1, 2))

    def write(self, path: Location) -> None:
        kept = {**self.tensors, TOTALS: self.totals}
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}
        metadata = {
            "metrics": json.dumps([asdict(m) for m in self.metrics]),
            "identity": self.identity,
            "steps": str(self.steps),
            DIGEST: digest_of(contiguous),
        }
        write_atomically(path, save(contiguous, metadata=metadata))


def read_checkpoint(path: Location, *, identity: str) -> Checkpoint | None:
    """The checkpoint at `path`, or None if there is none.

    Raises NotbugsError if it is damaged, or belongs to another training than `identity`.
    """
    if not path.exists():
        return None
    require_regular(path)
    try:
        with local_file(path) as here, safe_open(here, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if not is_intact(tensors, metadata):
            raise ValueError("its digest differs")
        metrics = tuple(EpochMetrics(**m) for m in from_json(metadata["metrics"]))
        found, steps, totals = metadata["identity"], int(metadata["steps"]), tensors.pop(TOTALS)
        _require_sense(metrics, steps, totals)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise NotbugsError(
            f"{path} is not a readable checkpoint ({error}); delete it to start again"
        ) from error
    if found != identity:
        raise NotbugsError(f"{path} belongs to another training; delete it or choose another --out")
    return Checkpoint(tensors, metrics, identity, steps, totals)


def _require_sense(metrics: tuple[EpochMetrics, ...], steps: int, totals: torch.Tensor) -> None:
    """Raise ValueError for what no training has written."""
    for number, one in enumerate(metrics):
        values = [one.loss, one.accuracy, one.lr, one.validation_accuracy or 0.0]
        if type(one.epoch) is not int or not all(isinstance(value, float | int) for value in values):
            raise ValueError(f"its metrics of epoch {number} are no numbers")
    if steps < 0 or totals.dim() != 2 or totals.shape[1] != 2:
        raise ValueError("its steps or totals are none of a training")
