"""Images under a shift, as a data set of their own: filtered, corrupted, with a feature taken away."""

from dataclasses import replace

from notbugs.data.labeled import LabeledImages
from notbugs.data.stored import StoredImages
from notbugs.errors import NotbugsError
from notbugs.locations import Location, location
from notbugs.shifts import Shift, parse_shift


def under_shift(data: LabeledImages, shift: Shift | str, *, seed: int = 0) -> LabeledImages:
    """`data` with every image changed by `shift`; labels and columns stay. What is drawn follows from `seed`.

    All images are changed in memory at once: what a shift makes of one alone may differ from it by a rounding. Raises
    NotbugsError if a text is no shift, and for stored images.

    >>> from notbugs.data import load
    >>> under_shift(load("digits").first(5), "high:12")
    LabeledImages(digits@high:12: 5 images 3x32x32, 10 classes)
    """
    shift = parse_shift(shift) if isinstance(shift, str) else shift
    if isinstance(data.images, StoredImages):
        raise NotbugsError(
            f"{data.origin.name}@{shift} is made in memory, and its images stay on disk (as asked, or as too many): "
            "shift fewer of them, or write corrupted copies with notbugs corrupt"
        )
    recipe = {**data.origin.recipe, "shift": str(shift), "shift_seed": seed}
    recipe.pop("truth", None)  # closed forms are about the images as they were
    origin = replace(data.origin, name=f"{data.origin.name}@{shift}", parent=data.digest, recipe=recipe)
    return replace(data, images=shift(data.images, seed=seed), origin=origin)


MOST = 16
"""Shifts one after the other."""


def split_source(source: str) -> tuple[str, Shift | None]:
    """A source written as SOURCE@SHIFT, taken apart; one without a shift, or a path with an @, as it is.

    Raises NotbugsError where what follows the @ is no shift, and no path is there by that name.

    >>> split_source("cifar10@noise:4@low:8")
    ('cifar10', BandNoise(band=Band(low=0.0, high=8.0, shape='radial'), norm=4.0))
    """
    is_path = source.removeprefix("tagged:").startswith(("folder:", "parquet:", "built:"))
    if "@" not in source or (is_path and _path_of(source).exists()):
        return source, None
    if not is_path and source.count("@") > MOST:
        raise NotbugsError(f"source {source[:40]!r} has more than {MOST} @: shift the images less often")
    places = [place for place, letter in enumerate(source) if letter == "@"]
    for place in places:  # the first that a shift follows: noise has another @ inside
        before, after = source[:place], source[place + 1 :]
        try:
            return before, parse_shift(after)
        except NotbugsError:
            if not is_path and place == places[-1]:
                return source[: places[0]], parse_shift(source[places[0] + 1 :])
    return source, None  # a path that is not there: reading it says so


def _path_of(source: str) -> Location:
    return location(source.removeprefix("tagged:").partition(":")[2])


__all__ = ["split_source", "under_shift"]
