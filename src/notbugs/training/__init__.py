"""The only code that changes weights."""

from notbugs.training.checkpoint import EpochMetrics
from notbugs.training.config import TrainConfig
from notbugs.training.contrast import Contrast
from notbugs.training.distributed import on_any, process_group, summed, together
from notbugs.training.loop import DivergedError, train
from notbugs.training.probe import DECAY, ITERATIONS, Layer, probe

__all__ = [
    "train",
    "TrainConfig",
    "Contrast",
    "EpochMetrics",
    "DivergedError",
    "process_group",
    "summed",
    "on_any",
    "together",
    "DECAY",
    "ITERATIONS",
    "Layer",
    "probe",
]
