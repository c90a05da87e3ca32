"""Drawings from representations: inversion, what lies between two images, two images with one representation."""

from dataclasses import dataclass
from typing import ClassVar, final

from notbugs.attacks import feature_collision
from notbugs.audits.fidelity import rms_error
from notbugs.drawings.task import Artist, Row, Sheet, Task, require_columns
from notbugs.synthesis import Pace, interpolate, invert
from notbugs.synthesis.inversion import INVERSION, Over
from notbugs.threats import L2


@final
@dataclass(frozen=True, kw_only=True)
class Inversion(Task):
    """What a model keeps of an image: from noise, an image that it represents alike."""

    name: ClassVar[str] = "invert"
    about: ClassVar[str] = "From noise, images that the model represents as it represents these."

    over: Over = "pixels"
    pace: Pace = INVERSION

    def draw(self, artist: Artist) -> Sheet:
        images = artist.data.images
        noise = artist.generator(self.name)
        drawn = artist.drawn(invert(artist.model, images, generator=noise, over=self.over, pace=self.pace))
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.captions),
                Row(title="Start", images=drawn.start, note="noise"),
                Row(
                    title="Drawn",
                    images=drawn.images,
                    note="what has the image’s representation",
                    captions=artist.answers(drawn.images),
                ),
            ),
            path=drawn.path,
            measured={
                "rms_error": rms_error(drawn.images, images),
                "residual_at_start": -drawn.before,
                "residual": -drawn.after,
            },
        )


@final
@dataclass(frozen=True, kw_only=True)
class Interpolation(Task):
    """From one image to another through the representations between them."""

    name: ClassVar[str] = "interpolate"
    about: ClassVar[str] = "Images between two images, as the model represents them."

    count: int = 8
    pace: Pace = INVERSION

    def draw(self, artist: Artist) -> Sheet:
        require_columns(artist.data, 2, "an interpolation")
        pairs = len(artist.data) // 2
        first, second = artist.data.images[:pairs], artist.data.images[pairs : 2 * pairs]
        drawn = artist.drawn(interpolate(artist.model, first, second, count=self.count, pace=self.pace))
        rows = drawn.images.unflatten(0, (pairs, self.count))
        names = artist.captions
        return Sheet(
            rows=tuple(
                Row(
                    title=f"From {names[pair]} to {names[pairs + pair]}",
                    images=rows[pair],
                    captions=artist.answers(rows[pair]),
                )
                for pair in range(pairs)
            ),
            path=tuple(rows.transpose(0, 1).unbind()),
            measured={"residual": -drawn.after.unflatten(0, (pairs, self.count)).mean(1)},
        )


@final
@dataclass(frozen=True, kw_only=True)
class CollisionTask(Task):
    """How nearly one image can have another's representation by a change that nobody sees."""

    name: ClassVar[str] = "collide"
    about: ClassVar[str] = "Images that look like these, and that the model represents as other ones."

    eps: float = 0.5
    steps: int = 1500

    def draw(self, artist: Artist) -> Sheet:
        require_columns(artist.data, 2, "a collision")
        start, target = artist.data.images, artist.data.images.roll(-1, 0)
        found = feature_collision(
            artist.model, start, target, threat=L2(self.eps), steps=self.steps, step_size=self.eps
        )
        change = found.images - start
        return Sheet(
            rows=(
                Row(title="Image", images=start, captions=artist.captions),
                Row(title="Other image", images=target, note="whose representation is wanted"),
                Row(
                    title="Found",
                    images=found.images,
                    note=f"within L2 {self.eps:g} of the image",
                    captions=tuple(
                        f"{100 * (1 - after / before):.0f} % nearer"
                        for before, after in zip(found.before.tolist(), found.after.tolist(), strict=True)
                    ),
                ),
                Row(title="Change, ×10", images=(0.5 + 10 * change).clamp(0, 1)),
            ),
            path=(start, found.images),
            measured={"reduction": 1 - found.after / found.before},
        )


__all__ = ["CollisionTask", "Interpolation", "Inversion"]
