"""What every job is given: where its run directories lie, its seed, its number format, who watches."""

from dataclasses import dataclass
from typing import Any, final

import torch

from notbugs.data.labeled import LabeledImages
from notbugs.execution import LOCAL, Execution
from notbugs.hardware import Precision, choose_precision
from notbugs.locations import Location
from notbugs.progress import Progress, silent


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """Where and how: the root of the run directories, the seed, who watches, where shards are made."""

    root: Location
    seed: int
    precision: str = "auto"
    progress: Progress = silent
    on: Execution = LOCAL

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "progress": silent}  # who watches stays where he is


def resolved_precision(precision: str, data: LabeledImages) -> Precision:
    """The precision by name; a config that says `auto` would not say what was done."""
    return "float32" if choose_precision(precision, data.images.device) == torch.float32 else "bfloat16"
