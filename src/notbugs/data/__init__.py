"""Labelled images as values: where they come from, how they are augmented, where they go."""

from notbugs.data.augment import Augmentation
from notbugs.data.digits import digits
from notbugs.data.export import export
from notbugs.data.folder import read_folder
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet import read_parquet
from notbugs.data.sources import load

__all__ = [
    "load",
    "LabeledImages",
    "Origin",
    "digits",
    "read_folder",
    "read_parquet",
    "Augmentation",
    "export",
]
