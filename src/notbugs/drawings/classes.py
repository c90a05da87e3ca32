"""Drawings towards a class: from nothing, from another image, from a sketch."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from notbugs.drawings.task import Artist, Row, Sheet, Task
from notbugs.errors import NotbugsError
from notbugs.synthesis import Pace, generate, morph
from notbugs.synthesis.morphing import GENERATION, SKETCH, TRANSLATION


@final
@dataclass(frozen=True, kw_only=True)
class Generation(Task):
    """New images of each class, grown from a draw of the class's Gaussian."""

    name: ClassVar[str] = "generate"
    about: ClassVar[str] = (
        "New images of a class, from seeds that hold no more than the layout of its colours."
    )

    to: str = ""
    count: int = 10
    pace: Pace = GENERATION

    def draw(self, artist: Artist) -> Sheet:
        if artist.gaussians is None:
            raise NotbugsError(
                "generation starts from the classes' Gaussians; give images to fit them to: --data"
            )
        classes = artist.data.classes
        labels = torch.arange(self.count, device=artist.data.labels.device) % classes
        if self.to:
            labels = torch.full_like(labels, artist.label_of(self.to))
        seeds, draws = artist.gaussians, artist.generator(self.name)
        drawn = artist.drawn(generate(artist.model, labels, seeds, generator=draws, pace=self.pace))
        return Sheet(
            rows=(
                Row(title="Seed", images=drawn.start, note="a draw from the Gaussian of the class"),
                Row(title="Drawn", images=drawn.images, captions=artist.named(labels)),
            ),
            path=drawn.path,
            measured={"log_probability": drawn.after},
        )


@final
@dataclass(frozen=True, kw_only=True)
class Translation(Task):
    """Images turned into another class."""

    name: ClassVar[str] = "translate"
    about: ClassVar[str] = "Each image turned into another class."

    to: str = ""
    pace: Pace = TRANSLATION

    def draw(self, artist: Artist) -> Sheet:
        return _morphed(self.to, self.pace, artist, "Image")


@final
@dataclass(frozen=True, kw_only=True)
class Sketch(Task):
    """Sketches made to look like what they show."""

    name: ClassVar[str] = "sketch"
    about: ClassVar[str] = "A sketch turned into a picture of its class."

    to: str = ""
    pace: Pace = SKETCH

    def draw(self, artist: Artist) -> Sheet:
        return _morphed(self.to, self.pace, artist, "Sketch", own=True)


def _morphed(to: str, pace: Pace, artist: Artist, what: str, *, own: bool = False) -> Sheet:
    labels = artist.data.labels if own and not to else artist.targets(to)
    images = artist.data.images
    drawn = artist.drawn(morph(artist.model, images, labels, pace=pace))
    return Sheet(
        rows=(
            Row(title=what, images=images, captions=artist.captions),
            Row(
                title="Drawn",
                images=drawn.images,
                captions=tuple(f"to {name}" for name in artist.named(labels)),
            ),
        ),
        path=drawn.path,
        measured={
            "log_probability_at_start": drawn.before,
            "log_probability": drawn.after,
            "distance": drawn.sizes,
        },
    )


__all__ = ["Generation", "Sketch", "Translation"]
