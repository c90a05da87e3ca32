"""The common corruptions (Hendrycks & Dietterich 2019, arXiv 1903.12261): fifteen, and four for validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch

from notbugs.errors import NotbugsError, unknown
from notbugs.numerals import shortest
from notbugs.shifts.blurs import defocus_blur, gaussian_blur, glass_blur, motion_blur
from notbugs.shifts.digital import brightness, contrast, elastic_transform, pixelate, saturate
from notbugs.shifts.draws import Draws, draws_of
from notbugs.shifts.jpeg import jpeg_compression
from notbugs.shifts.noise import gaussian_noise, impulse_noise, speckle_noise
from notbugs.shifts.photons import shot_noise
from notbugs.shifts.severity import TABLES, Parameters, Table, parameters, table_for
from notbugs.shifts.shift import Shift
from notbugs.shifts.spatter import spatter
from notbugs.shifts.weather import fog, frost, snow
from notbugs.shifts.zooming import zoom_blur
from notbugs.tensors import Images
from notbugs.threads import over_parts

Corrupt = Callable[[Images, Parameters, Draws], Images]

COMMON: dict[str, Corrupt] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "defocus_blur": defocus_blur,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "snow": snow,
    "frost": frost,
    "fog": fog,
    "brightness": brightness,
    "contrast": contrast,
    "elastic_transform": elastic_transform,
    "pixelate": pixelate,
    "jpeg_compression": jpeg_compression,
}
"""The fifteen that a model is judged by."""

EXTRA: dict[str, Corrupt] = {
    "speckle_noise": speckle_noise,
    "gaussian_blur": gaussian_blur,
    "spatter": spatter,
    "saturate": saturate,
}
"""Four more, which the authors left for choosing hyperparameters by."""

CORRUPTIONS = COMMON | EXTRA

OF_BRIGHTNESS = ("jpeg_compression", "snow", "frost", "spatter")
"""What these do depends on how bright red, green and blue look together: images are grey or have these three."""


def require_brightness(name: str, channels: int) -> None:
    """Raise NotbugsError where a corruption needs grey or RGB images and these are neither."""
    if name in OF_BRIGHTNESS and channels not in (1, 3):
        raise NotbugsError(f"{name} needs grey or RGB images, these have {channels} channels; leave it out")


_VALUES_AT_ONCE = 1 << 19
"""Images pass in parts of about so many values, which stay in the cache of a core."""


@final
@dataclass(frozen=True)
class Corruption(Shift):
    """One way in which pictures go wrong, as strong as `severity` says: 1 to 5, and anything between.

    `table`: the parameters of CIFAR-10-C (`cifar`) or of ImageNet-C (`imagenet`); None takes the one that was made
    for images of about that size. Raises NotbugsError for an unknown name, severity or table, and for images of
    other than one or three channels where brightness plays a part.

    >>> images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> Corruption("fog", 2.5)(images, seed=0).shape
    torch.Size([2, 3, 32, 32])
    """

    name: str
    severity: float = 3.0
    table: Table | None = None

    def __post_init__(self) -> None:
        if self.name not in CORRUPTIONS:
            raise unknown("corruption", self.name, CORRUPTIONS)
        if self.table is not None and self.table not in TABLES:
            raise unknown("table of severities", self.table, TABLES)
        parameters(self.name, self.severity, self.table or "cifar")

    def __str__(self) -> str:
        of_table = f":{self.table}" if self.table else ""
        return f"{self.name}:{shortest(self.severity)}{of_table}"

    @torch.no_grad()
    def __call__(self, images: Images, *, seed: int = 0, indices: Sequence[int] | None = None) -> Images:
        require_brightness(self.name, images.shape[1])
        places = range(len(images)) if indices is None else indices
        given = parameters(self.name, self.severity, self.table or table_for(*images.shape[2:]))
        size = max(1, _VALUES_AT_ONCE // max(1, images[0].numel())) if len(images) else 1
        result = torch.empty_like(images, memory_format=torch.contiguous_format)

        def corrupt(first: int) -> None:
            draws = draws_of(places[first : first + size], self.name, seed=seed, device=images.device)
            part = images[first : first + size].contiguous()
            corrupted = CORRUPTIONS[self.name](part, given, draws)
            torch.clamp(corrupted, 0, 1, out=result[first : first + size])

        threads = torch.get_num_threads() if images.device.type == "cpu" else 1
        over_parts(corrupt, range(0, len(images), size), threads=threads)
        return result


__all__ = ["COMMON", "CORRUPTIONS", "EXTRA", "Corruption"]
