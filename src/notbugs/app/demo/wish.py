"""What a visitor has set on the page: the state that a link carries, and nothing else of it anywhere."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, final, get_args
from urllib.parse import urlencode

import torch
from PIL import Image

from notbugs.app.demo.studio import Studio
from notbugs.app.demo.uploads import read_text
from notbugs.data.eight_bit import eight_bit, picture
from notbugs.errors import NotbugsError, unknown
from notbugs.synthesis.marked import Marks
from notbugs.tensors import Images

Tool = Literal["morph", "paint", "fill", "dial", "saliency", "walk"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
STRENGTHS, LEVELS = (0.5, 12.0), (-4.0, 12.0)
"""How far a morph may go: L2, pixel units, of an image of 32 pixels; how far a dial may be turned: deviations."""

LONGEST_LINK = 12_000
"""Characters, of a whole link: servers refuse much longer ones."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Wish:
    """`image` and `other` (the end of a walk): (1, channel, side, side); `marks`: where to paint or to fill.

    `to`: a class by name; `unit`: a feature by number; `level`: deviations above its mean.
    """

    tool: Tool
    model: str
    image: Images
    marks: Marks
    other: Images
    to: str
    strength: float = 6.0
    unit: int = 0
    level: float = 4.0

    @staticmethod
    def of(studio: Studio, **chosen: Any) -> "Wish":
        """What was chosen, the rest as the page shows it first. Raises NotbugsError for what there is not."""
        first = next(iter(studio.models))
        model = chosen.get("model", first)
        if model not in studio.models:
            raise unknown("model", model, studio.models)
        examples = studio.examples.images
        settings = {
            "tool": TOOLS[0],
            "image": examples[:1],
            "marks": torch.zeros(1, studio.side, studio.side, dtype=torch.bool),
            "other": examples[1:2],
            "to": studio.class_names[min(3, len(studio.class_names) - 1)],
            "unit": studio.features[model].units[0],
        }
        if chosen.get("tool", TOOLS[0]) not in TOOLS:
            raise unknown("tool", chosen["tool"], TOOLS)
        wish = Wish(**{**settings, "model": model, **chosen})
        at = {name: getattr(wish, name).to(studio.device) for name in ("image", "marks", "other")}
        wish = replace(wish, **at)
        if wish.to not in studio.class_names:
            raise unknown("class", wish.to, studio.class_names)
        if not 0 <= wish.unit < studio.features[model].table.values.shape[1]:
            raise NotbugsError(f"There is no feature {wish.unit}. Choose one of the pictures.")
        for name, (low, high) in (("strength", STRENGTHS), ("level", LEVELS)):
            if not low <= getattr(wish, name) <= high:
                raise NotbugsError(f"The {name} must be from {low:g} to {high:g}.")
        return wish

    def query(self) -> str:
        """This wish as the query of a link; nothing where its images are too large for one."""
        values = {
            field.name: _text(getattr(self, field.name))
            for field in fields(self)
            if field.name != "other" or self.tool == "walk"
        }
        query = urlencode({name: text for name, text in values.items() if text})
        return query if len(query) <= LONGEST_LINK else ""

    @staticmethod
    def from_query(studio: Studio, query: Mapping[str, str]) -> "Wish":
        """The wish of a link; what it does not name is as the page shows it first.

        Raises NotbugsError for a link that says what there is not.
        """
        chosen: dict[str, Any] = {name: query[name] for name in ("tool", "model", "to") if name in query}
        try:
            chosen |= {name: float(query[name]) for name in ("strength", "level") if name in query}
            chosen |= {name: int(query[name]) for name in ("unit",) if name in query}
        except ValueError as error:
            raise NotbugsError("A number of this link cannot be read. Ask for the link again.") from error
        chosen |= {name: read_text(query[name], studio.side) for name in ("image", "other") if name in query}
        if "marks" in query:
            chosen["marks"] = read_text(query["marks"], studio.side)[:, 0] > 0.5
        return Wish.of(studio, **chosen)


def picture_of(image: Images, scale: int = 1) -> Image.Image:
    """One image (1, channel, height, width) as a picture, each pixel `scale` times enlarged."""
    shown = picture(eight_bit(image.detach().cpu())[0]).convert("RGB")
    return shown.resize((shown.width * scale, shown.height * scale), Image.Resampling.NEAREST)


def _text(value: object) -> str:
    """As a link says it; nothing for marks that mark nothing."""
    if isinstance(value, torch.Tensor):
        marks = value.dtype == torch.bool
        if marks and not value.any():
            return ""
        stream = io.BytesIO()
        shown = picture_of(value[:, None].float() if marks else value)
        (shown.convert("1") if marks else shown).save(stream, format="PNG", optimize=True)
        return base64.urlsafe_b64encode(stream.getvalue()).decode("ascii")
    return f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["LEVELS", "STRENGTHS", "TOOLS", "Tool", "Wish", "picture_of"]
