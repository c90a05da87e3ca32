"""Drawings of single features: what they look for, more or less of one, one painted onto a place."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch

from notbugs.attacks import embedding_of
from notbugs.drawings.task import Artist, Row, Sheet, Task
from notbugs.errors import NotbugsError
from notbugs.models import frozen
from notbugs.synthesis import FeatureTable, Pace, feature_table, paint, turn, visualize
from notbugs.synthesis.gaussians import enlarged
from notbugs.synthesis.visualization import MANIPULATION, PAINTING, VISUALIZATION
from notbugs.tensors import Images
from notbugs.threats.families import Region

Start = Literal["noise", "grey", "images"]

DRAWS, COARSE, SPREAD = 64, 8, 0.15
"""Of noise to start from: how many, of how many blotches along a side, how strong."""


@final
@dataclass(frozen=True, kw_only=True)
class Visualization(Task):
    """What features look for, and the images on which they are highest.

    `units`: by default those that differ most between the images.
    """

    name: ClassVar[str] = "visualize"
    about: ClassVar[str] = "What single features look for, with the images on which they are highest."

    units: tuple[int, ...] = ()
    start: Start = "noise"
    count: int = 8
    shown: int = 3
    pace: Pace = VISUALIZATION

    def draw(self, artist: Artist) -> Sheet:
        table = feature_table(artist.model, artist.data)
        units = chosen_units(table, self.units, self.count)
        drawn = artist.drawn(visualize(artist.model, units, self._start(artist, units), pace=self.pace))
        highest = table.highest(units, min(self.shown, len(artist.data)))
        names = tuple(f"feature {unit}" for unit in units.tolist())
        ranks = tuple(
            Row(
                title=f"Highest {rank + 1}",
                images=artist.data.images[highest[:, rank]],
                captions=artist.named(artist.data.labels[highest[:, rank]]),
            )
            for rank in range(highest.shape[1])
        )
        return Sheet(
            rows=(
                Row(title="Start", images=drawn.start),
                Row(title="Drawn", images=drawn.images, captions=names),
                *ranks,
            ),
            path=drawn.path,
            measured={"feature_at_start": drawn.before, "feature": drawn.after},
        )

    def _start(self, artist: Artist, units: torch.Tensor) -> Images:
        images, count = artist.data.images, len(units)
        if self.start == "images":
            return images[torch.arange(count) % len(images)]
        if self.start == "grey":
            return torch.full_like(images[:1], 0.5).repeat(count, 1, 1, 1)
        # A unit that is off has no gradient: of many draws, the one on which it is highest.
        coarse = torch.empty(DRAWS, images.shape[1], COARSE, COARSE).normal_(
            generator=artist.generator(self.name)
        )
        noise = (0.5 + SPREAD * enlarged(coarse, (images.shape[2], images.shape[3]))).clamp(0, 1).to(images)
        with frozen(artist.model), torch.no_grad():
            return noise[embedding_of(artist.model)(noise)[:, units].argmax(0)]


@final
@dataclass(frozen=True, kw_only=True)
class Manipulation(Task):
    """One feature turned down and up, as many deviations as `levels` say above its mean over the images."""

    name: ClassVar[str] = "manipulate"
    about: ClassVar[str] = "More or less of one feature in each image."

    unit: int | None = None
    levels: tuple[float, ...] = (-1.0, 2.0, 4.0, 8.0)
    pace: Pace = MANIPULATION

    def draw(self, artist: Artist) -> Sheet:
        images, count = artist.data.images, len(artist.data)
        table = feature_table(artist.model, artist.data)
        given = () if self.unit is None else (self.unit,)
        unit = chosen_units(table, given, 1)
        values = [table.at(unit, level) for level in self.levels]
        drawn = artist.drawn(
            turn(
                artist.model,
                images.repeat(len(self.levels), 1, 1, 1),
                unit.repeat(count * len(self.levels)),
                torch.cat(values).repeat_interleave(count),
                pace=self.pace,
            )
        )
        parts = drawn.images.split(count)
        turned = tuple(
            Row(title=f"{level:+g} deviations", images=part, captions=artist.answers(part))
            for level, part in zip(self.levels, parts, strict=True)
        )
        return Sheet(
            rows=(
                Row(title="Image", images=images, note=f"feature {unit.item()}", captions=artist.captions),
                *turned,
            ),
            path=(images, *parts),
            measured={
                "missed_by": -drawn.after.unflatten(0, (-1, count)).mean(0),
                "distance": drawn.sizes.unflatten(0, (-1, count)).mean(0),
            },
        )


@final
@dataclass(frozen=True, kw_only=True)
class Painting(Task):
    """A feature painted onto a region; by default the upper left quarter and the feature that differs most."""

    name: ClassVar[str] = "paint"
    about: ClassVar[str] = "One feature painted onto a place of each image."

    unit: int | None = None
    region: Region | None = None
    pace: Pace = PAINTING

    def draw(self, artist: Artist) -> Sheet:
        images = artist.data.images
        height, width = images.shape[2:]
        region = self.region or Region(0, 0, height // 2, width // 2)
        marks = region.marks((height, width))[None]
        given = () if self.unit is None else (self.unit,)
        unit = chosen_units(feature_table(artist.model, artist.data), given, 1)
        units = unit.repeat(len(images))
        drawn = artist.drawn(paint(artist.model, images, marks.to(images.device), units, pace=self.pace))
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.captions),
                Row(title="Painted", images=drawn.images, note=f"feature {unit.item()} on {region}"),
            ),
            path=drawn.path,
            measured={"feature_at_start": drawn.before, "feature": drawn.after},
        )


def chosen_units(table: FeatureTable, units: tuple[int, ...], count: int) -> torch.Tensor:
    """Those that are named, or the `count` that differ most. Raises NotbugsError for one that there is not."""
    features = table.values.shape[1]
    for unit in units:
        if not 0 <= unit < features:
            raise NotbugsError(f"the model has the features 0 to {features - 1}, got {unit}")
    return torch.tensor(units, device=table.values.device) if units else table.most_varied(count)


__all__ = ["Manipulation", "Painting", "Start", "Visualization", "chosen_units"]
