"""What all visitors share: the models, held still, examples to begin with, and what features look for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import nn

from notbugs.data.labeled import LabeledImages
from notbugs.drawings import Artist, Visualization, opinions, require_fitting
from notbugs.progress import Progress, silent
from notbugs.synthesis import FeatureTable, feature_table
from notbugs.synthesis.visualization import VISUALIZATION
from notbugs.tensors import Classifier, Images

EXAMPLES, FEATURES, DRAW_STEPS = 10, 12, 60


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """The features of a model that a visitor may choose from: how they vary, their numbers, what each looks for."""

    table: FeatureTable
    units: tuple[int, ...]
    looks: Images


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Studio:
    """`models` by the name that visitors read, the one that draws best first; `data`: examples of their classes."""

    models: Mapping[str, nn.Module]
    data: LabeledImages
    features: Mapping[str, Features]

    @property
    def side(self) -> int:
        return self.data.images.shape[-1]

    @property
    def device(self) -> torch.device:
        return self.data.images.device

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.data.class_names

    @property
    def examples(self) -> LabeledImages:
        return self.data.first(EXAMPLES)

    def opinion(self, name: str, image: Images, most: int = 2) -> str:
        """What a model takes an image for, as in "cat 87 %, dog 9 %"."""
        return opinions(self.models[name], image, self.class_names, most=most)[0]


def open_studio(
    models: Mapping[str, Classifier], data: LabeledImages, *, progress: Progress = silent
) -> Studio:
    """Models made ready for many visitors at once: held still for good, their features looked at beforehand.

    Raises NotbugsError for a model without features, and for one of other classes than the images'.
    """
    still = {name: require_fitting(model, data, f"the {name} model") for name, model in models.items()}
    for model in still.values():
        model.eval().requires_grad_(False)
    features = {}
    for number, (name, model) in enumerate(still.items()):
        table = feature_table(model, data)
        units = tuple(table.most_varied(FEATURES).tolist())
        sheet = Visualization(units=units, shown=1, pace=replace(VISUALIZATION, steps=DRAW_STEPS)).draw(
            Artist(model=model, data=data, seed=0)
        )
        features[name] = Features(table=table, units=units, looks=sheet.rows[1].images)
        progress(number + 1, len(models), "features of the models")
    return Studio(models=still, data=data, features=features)


__all__ = ["Features", "Studio", "open_studio"]
