"""Single features of a representation: what they look for, and images with more or less of one."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from notbugs.attacks import embedding_of
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.synthesis.drawing import Ascent
from notbugs.synthesis.goals import FeatureDial, FeatureHeight, Units
from notbugs.synthesis.marked import Marked, Marks
from notbugs.synthesis.pace import Pace
from notbugs.tensors import Classifier, Images, PerExample

VISUALIZATION = Pace(eps=1000, steps=200, step_size=1.0, side=224)
MANIPULATION = Pace(eps=1000, steps=200, step_size=1.0, halvings=5, side=224)
PAINTING = Pace(eps=70, steps=140, step_size=1.0, side=224)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTable:
    """What the features of a model are on a set of images: every value, and each feature's mean and deviation."""

    values: Float[Tensor, "images features"]

    @property
    def mean(self) -> Float[Tensor, " features"]:
        return self.values.mean(0)

    @property
    def deviation(self) -> Float[Tensor, " features"]:
        """Raises NotbugsError for a single image, which says nothing of how features vary."""
        if len(self.values) < 2:
            raise NotbugsError("how features vary is seen on two images or more, got 1: give more (--n)")
        return self.values.std(0)

    def at(self, units: Units, level: float) -> Float[Tensor, " units"]:
        """The value of each unit that lies `level` deviations above its mean."""
        return self.mean[units] + level * self.deviation[units]

    def highest(self, units: Units, count: int) -> Int[Tensor, "units count"]:
        """The rows of the images on which each unit is highest, the highest first."""
        return self.values[:, units].T.topk(count, dim=1).indices

    def most_varied(self, count: int) -> Int[Tensor, " count"]:
        """The units that differ most between images, those that no image moves left out.

        Raises NotbugsError where no unit differs.
        """
        deviation = self.deviation
        differing = int((deviation > 0).sum())
        if not differing:
            raise NotbugsError("no feature differs between these images: give other ones")
        return deviation.topk(min(count, differing)).indices


def feature_table(model: Classifier, data: LabeledImages, *, batch_size: int = 250) -> FeatureTable:
    """All features of all images.

    >>> from notbugs import build, load
    >>> table = feature_table(build("convnet", classes=10, seed=0), load("digits").first(50))
    >>> table.highest(table.most_varied(2), 5).shape
    torch.Size([2, 5])
    """
    embed = embedding_of(model)
    with frozen(model), torch.no_grad():
        return FeatureTable(values=torch.cat([embed(part).float() for part in data.images.split(batch_size)]))


def visualize(
    model: Classifier,
    units: Units,
    start: Images,
    *,
    pace: Pace = VISUALIZATION,
) -> Ascent:
    """Each unit as high as it goes from its start: noise, grey or an image (Engstrom et al. 2019, section 4.2)."""
    objective = FeatureHeight(embedding_of(model), _checked(model, units, start))
    return Ascent.of(model, objective, start, pace)


def turn(
    model: Classifier,
    images: Images,
    units: Units,
    values: PerExample,
    *,
    pace: Pace = MANIPULATION,
) -> Ascent:
    """Each image with one feature turned to a value and as little else changed as the way there changes."""
    objective = FeatureDial(embedding_of(model), _checked(model, units, images), values)
    return Ascent.of(model, objective, images, pace)


def paint(
    model: Classifier,
    images: Images,
    marks: Marks,
    units: Units,
    *,
    pace: Pace = PAINTING,
) -> Ascent:
    """A feature as high as it goes by changes of the marked pixels alone (Santurkar et al. 2019, section 4)."""
    objective = FeatureHeight(embedding_of(model), _checked(model, units, images))
    return Ascent.of(model, objective, images, pace, within=Marked(marks).of)


def _checked(model: Classifier, units: Units, images: Images) -> Units:
    with frozen(model), torch.no_grad():
        features = embedding_of(model)(images[:1]).shape[1]
    if len(units) != len(images):
        raise NotbugsError(f"{len(images)} images need a unit each, got {len(units)}")
    if len(units) and not 0 <= int(units.min()) <= int(units.max()) < features:
        raise NotbugsError(f"the model has the features 0 to {features - 1}, got {units.tolist()}")
    return units


__all__ = [
    "MANIPULATION", "PAINTING", "VISUALIZATION", "FeatureTable", "feature_table", "paint", "turn", "visualize",
]  # fmt: skip
