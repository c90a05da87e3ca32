"""Drawings of what is missing: holes filled, small images enlarged."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn import functional

from notbugs.audits.fidelity import error_inside, psnr, ssim
from notbugs.drawings.task import Artist, Row, Sheet, Task
from notbugs.errors import NotbugsError
from notbugs.synthesis import Pace, inpaint, shrunk, super_resolve
from notbugs.synthesis.mending import INPAINTING, SUPER_RESOLUTION
from notbugs.threats.families import Region


@final
@dataclass(frozen=True, kw_only=True)
class Inpainting(Task):
    """Holes filled from around and by what raises the class score; what is around stays to the bit.

    `hole`: by default a square of a third of the side, at a place of its own in each image.
    """

    name: ClassVar[str] = "inpaint"
    about: ClassVar[str] = "Holes in images, filled with what their class would have there."

    hole: Region | None = None
    pace: Pace = INPAINTING

    def draw(self, artist: Artist) -> Sheet:
        images = artist.data.images
        holes = self._holes(artist)
        drawn = artist.drawn(inpaint(artist.model, images, holes, artist.data.labels, pace=self.pace))
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.captions),
                Row(title="Hole", images=drawn.start, note="filled smoothly from around"),
                Row(title="Drawn", images=drawn.images, captions=artist.answers(drawn.images)),
            ),
            path=drawn.path,
            measured={
                "error_inside_at_start": error_inside(drawn.start, images, holes),
                "error_inside": error_inside(drawn.images, images, holes),
            },
        )

    def _holes(self, artist: Artist) -> torch.Tensor:
        count, _, height, width = artist.data.images.shape
        if self.hole is not None:
            return self.hole.marks((height, width)).expand(count, -1, -1).to(artist.data.images.device)
        side = max(1, min(height, width) // 3)
        draw = artist.generator(self.name)
        tops = torch.randint(height - side + 1, (count, 1, 1), generator=draw)
        lefts = torch.randint(width - side + 1, (count, 1, 1), generator=draw)
        rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
        inside = (rows >= tops) & (rows < tops + side) & (columns >= lefts) & (columns < lefts + side)
        return inside.to(artist.data.images.device)


@final
@dataclass(frozen=True, kw_only=True)
class SuperResolution(Task):
    """Small images enlarged, beside the bicubic enlargement."""

    name: ClassVar[str] = "superres"
    about: ClassVar[str] = (
        "Small images enlarged by what raises their class score, beside bicubic enlargements."
    )

    factor: int = 2
    pace: Pace = SUPER_RESOLUTION

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise NotbugsError(f"an image is enlarged 2 times or more, got {self.factor}")

    def draw(self, artist: Artist) -> Sheet:
        images = artist.data.images
        size = (images.shape[2], images.shape[3])
        small = shrunk(images, self.factor)
        drawn = artist.drawn(super_resolve(artist.model, small, size, artist.data.labels, pace=self.pace))
        return Sheet(
            rows=(
                Row(title="Image", images=images, captions=artist.captions),
                Row(
                    title="Small",
                    images=functional.interpolate(small, size, mode="nearest"),
                    note=f"{small.shape[2]} x {small.shape[3]} pixels",
                ),
                Row(title="Bicubic", images=drawn.start, captions=artist.answers(drawn.start)),
                Row(title="Drawn", images=drawn.images, captions=artist.answers(drawn.images)),
            ),
            path=drawn.path,
            measured={
                "psnr_bicubic": psnr(drawn.start, images),
                "psnr": psnr(drawn.images, images),
                "ssim_bicubic": ssim(drawn.start, images),
                "ssim": ssim(drawn.images, images),
            },
        )


__all__ = ["Inpainting", "SuperResolution"]
