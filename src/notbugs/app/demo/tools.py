"""What each tool does with a visitor's wish: pictures as they come, each with a line of words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import final

import torch

from notbugs.app.demo.studio import Studio
from notbugs.app.demo.wish import Tool, Wish
from notbugs.audits.saliency import saliency_maps
from notbugs.drawings.explanations import shown_map
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.synthesis import Ascent, Pace, inpaint, interpolate, morph, paint, turn
from notbugs.synthesis.mending import INPAINTING
from notbugs.synthesis.visualization import MANIPULATION, PAINTING
from notbugs.tensors import Images

FRAMES, WALK = 20, 8
FILLING = replace(INPAINTING, eps=10, step_size=0.5)
WALKING = Pace(eps=1000, steps=100, step_size=1.0, halvings=4, side=32)
"""Somebody waits, and wants to see a filling that is one."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Pictures side by side, what is under each, and what is said of them all. `done`: the share of the way gone."""

    images: Images
    note: str
    captions: tuple[str, ...] = ()
    done: float = 1.0


def looks(studio: Studio, wish: Wish) -> Iterator[Look]:
    """The pictures of a wish as they come; the last ones are what was wished for.

    Raises NotbugsError for a wish that its tool can do nothing with.
    """
    return _TOOLS[wish.tool](studio, wish)


def _morph(studio: Studio, wish: Wish) -> Iterator[Look]:
    label = _alone(studio, studio.class_names.index(wish.to))
    pace = Pace.within(wish.strength, steps=60)
    ascent = morph(studio.models[wish.model], wish.image, label, pace=pace)
    return _watched(studio, wish, ascent, f"towards {wish.to}")


def _paint(studio: Studio, wish: Wish) -> Iterator[Look]:
    _require_marks(wish)
    unit = _alone(studio, wish.unit)
    ascent = paint(studio.models[wish.model], wish.image, wish.marks, unit, pace=PAINTING)
    return _watched(studio, wish, ascent, f"feature {wish.unit} painted")


def _fill(studio: Studio, wish: Wish) -> Iterator[Look]:
    _require_marks(wish)
    if bool(wish.marks.all()):
        raise NotbugsError("The hole is the whole image. Leave some of it to go by.")
    label = _alone(studio, studio.class_names.index(wish.to))
    ascent = inpaint(studio.models[wish.model], wish.image, wish.marks, label, pace=FILLING)
    return _watched(studio, wish, ascent, f"filled as {wish.to}")


def _dial(studio: Studio, wish: Wish) -> Iterator[Look]:
    unit = _alone(studio, wish.unit)
    value = studio.features[wish.model].table.at(unit, wish.level)
    ascent = turn(studio.models[wish.model], wish.image, unit, value, pace=MANIPULATION)
    return _watched(studio, wish, ascent, f"feature {wish.unit} turned to {wish.level:+g} deviations")


def _walk(studio: Studio, wish: Wish) -> Iterator[Look]:
    model = studio.models[wish.model]
    ascent = interpolate(model, wish.image, wish.other, count=WALK, pace=WALKING)
    for steps, images in _timed(ascent):
        captions = tuple(studio.opinion(wish.model, one[None], most=1) for one in images)
        note = f"Step {steps} of {ascent.pace.steps}, from one image to the other."
        yield Look(images=images, note=note, captions=captions, done=steps / ascent.pace.steps)


def _saliency(studio: Studio, wish: Wish) -> Iterator[Look]:
    rows, seen = [], []
    for number, (name, model) in enumerate(studio.models.items()):
        with torch.no_grad():
            label = model(wish.image).argmax(1)
        maps = saliency_maps(model, wish.image, label, generator=generator(0, "demo", name))
        rows += [wish.image, *(shown_map(found) for found in maps.values())]
        seen.append(f"the {name} model, which sees {studio.opinion(name, wish.image, most=1)}")
        yield Look(
            images=torch.cat(rows),
            note=f"In rows: {'; '.join(seen)}. From left to right: the image, input gradient, SmoothGrad, integrated "
            "gradients. Bright is where a small change moves the answer most.",
            done=(number + 1) / len(studio.models),
        )


def _watched(studio: Studio, wish: Wish, ascent: Ascent, what: str) -> Iterator[Look]:
    for steps, image in _timed(ascent):
        seen = studio.opinion(wish.model, image)
        yield Look(
            images=image,
            note=f"Step {steps} of {ascent.pace.steps}, {what}. The {wish.model} model sees: {seen}.",
            done=steps / ascent.pace.steps,
        )


def _timed(ascent: Ascent) -> Iterator[tuple[int, Images]]:
    """Looks on the way, and after how many steps each is taken."""
    taken = accumulate((steps for steps, _ in ascent.pace.legs(FRAMES)), initial=0)
    return zip(taken, ascent.looks(FRAMES), strict=True)


def _alone(studio: Studio, number: int) -> torch.Tensor:
    """A label or a unit for the one image there is."""
    return torch.tensor([number], device=studio.device)


def _require_marks(wish: Wish) -> None:
    if not bool(wish.marks.any()):
        raise NotbugsError("Say where: draw on the image, or choose a place.")


_TOOLS: Mapping[Tool, Callable[[Studio, Wish], Iterator[Look]]] = {
    "morph": _morph, "paint": _paint, "fill": _fill, "dial": _dial, "saliency": _saliency, "walk": _walk,
}  # fmt: skip

__all__ = ["FRAMES", "Look", "looks"]
