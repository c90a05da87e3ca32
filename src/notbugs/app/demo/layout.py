"""The parts of the page, where they stand and what they say before anybody has touched them."""

from dataclasses import dataclass
from typing import Any, final

import gradio
from PIL import Image

from notbugs.app.demo.canvas import DRAWN, PLACES, SIDE, STROKE, on_canvas, own
from notbugs.app.demo.studio import Studio
from notbugs.app.demo.wish import LEVELS, STRENGTHS, Tool, Wish, picture_of
from notbugs.data.decoding import IMAGE_SUFFIXES

NAMES: dict[Tool, str] = {
    "morph": "Turn into a class",
    "paint": "Paint a feature",
    "fill": "Fill a hole",
    "dial": "Turn a feature",
    "saliency": "Where it looks",
    "walk": "Walk between two",
}
ABOUT: dict[Tool, str] = {
    "morph": "The image, changed step by step until the model is sure of another class.",
    "paint": "Draw on the image where, choose a feature, and the model paints it there.",
    "fill": "Draw over what is to go; the model fills it with what the class would have there.",
    "dial": "One feature turned up or down, until it has the value that the dial says.",
    "saliency": "Where a small change moves the answer most: all models side by side.",
    "walk": "From the image to another one, through what the model makes of both.",
}
COLOURS = [
    STROKE, "#7ec8f0", "#2e7d32", "#8d6e63", "#e8a33d", "#c0392b", "#000000", "#9e9e9e", "#ffffff",
]  # fmt: skip
READABLE = sorted(IMAGE_SUFFIXES)
TITLE = (
    "<h1>What a robust model can draw</h1><p>A classifier that small changes cannot fool has to look at what people "
    "look at. So it can draw: all that happens here are steps along its gradients. Take an image, or draw one, and "
    "choose a tool.</p>"
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What the page is made of, by what it is for."""

    editor: gradio.ImageEditor
    upload: gradio.UploadButton
    examples: gradio.Gallery
    tool: gradio.Radio
    about: gradio.HTML
    model: gradio.Dropdown
    to: gradio.Dropdown
    strength: gradio.Slider
    place: gradio.Dropdown
    features: gradio.Column
    looks: gradio.Gallery
    unit: gradio.Dropdown
    level: gradio.Slider
    end: gradio.Column
    other: gradio.Image
    other_upload: gradio.UploadButton
    ends: gradio.Gallery
    go: gradio.Button
    stop: gradio.Button
    drawn: gradio.Image
    said: gradio.HTML
    take: gradio.HTML
    again: gradio.Button
    query: gradio.Textbox

    @property
    def controls(self) -> list[Any]:
        """What a visitor's wish is read from, and a link's is put into."""
        return [
            self.tool, self.model, self.to, self.strength, self.unit, self.level, self.place, self.editor,
            self.other,
        ]  # fmt: skip

    def shown_for(self, tool: Tool) -> dict[Any, Any]:
        """Which controls are to be seen with a tool."""
        needed = {
            self.model: tool != "saliency",
            self.to: tool in ("morph", "fill"),
            self.strength: tool == "morph",
            self.place: tool in ("paint", "fill"),
            self.features: tool in ("paint", "dial"),
            self.level: tool == "dial",
            self.end: tool == "walk",
        }
        return {
            self.about: f"<p>{ABOUT[tool]}</p>",
            **{part: gradio.update(visible=seen) for part, seen in needed.items()},
        }


def lay_out(studio: Studio) -> Parts:
    """Place the parts; to be called within `gradio.Blocks`."""
    first = Wish.of(studio)
    gradio.HTML(TITLE, elem_id="top")
    with gradio.Row():
        with gradio.Column(min_width=300):
            image = _image_parts(studio, first)
        with gradio.Column(min_width=300):
            tool = _tool_parts(studio, first)
        with gradio.Column(min_width=300):
            result = _result_parts()
    return Parts(**image, **tool, **result)


def feature_pictures(studio: Studio, model: str) -> list[tuple[Image.Image, str]]:
    """What each feature of a model looks for, with its number."""
    features = studio.features[model]
    return [
        (own(picture_of(look[None], 2)), str(unit))
        for look, unit in zip(features.looks, features.units, strict=True)
    ]


def unit_choices(studio: Studio, model: str) -> list[tuple[str, int]]:
    return [(f"feature {unit}", unit) for unit in studio.features[model].units]


def _image_parts(studio: Studio, first: Wish) -> dict[str, Any]:
    blank = (Image.new("RGB", (64, 64), "white"), "blank")
    return {
        "editor": gradio.ImageEditor(
            on_canvas(first.image), label="Your image", sources=(), type="numpy", format="png",
            canvas_size=(SIDE, SIDE), fixed_canvas=True, transforms=(), layers=False, height=SIDE + 76, buttons=[],
            brush=gradio.Brush(default_size=28, colors=list(COLOURS), default_color=STROKE), elem_id="image",
        ),
        "upload": gradio.UploadButton("Upload an image", type="binary", file_types=READABLE, size="sm"),
        "examples": _gallery("Or begin with one of these", [*_examples(studio), blank], "examples"),
    }  # fmt: skip


def _tool_parts(studio: Studio, first: Wish) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "tool": gradio.Radio(
            [(label, name) for name, label in NAMES.items()], value=first.tool, label="Tool", elem_id="tool"
        ),
        "about": gradio.HTML(f"<p>{ABOUT[first.tool]}</p>", elem_id="about"),
        "model": gradio.Dropdown(list(studio.models), value=first.model, label="Who draws", filterable=False),
        "to": gradio.Dropdown(list(studio.class_names), value=first.to, label="Class", filterable=False),
        "strength": gradio.Slider(
            *STRENGTHS, value=first.strength, step=0.5, label="How far (L2, at 32 pixels)"
        ),
        "place": gradio.Dropdown(
            [DRAWN, *PLACES], value=DRAWN, label="Where", visible=False, filterable=False
        ),
    }
    with gradio.Column(visible=False) as features:
        parts["looks"] = _gallery(
            "What each feature looks for", feature_pictures(studio, first.model), "features"
        )
        parts["unit"] = gradio.Dropdown(
            unit_choices(studio, first.model), value=first.unit, label="Feature", filterable=False
        )
    parts["level"] = gradio.Slider(
        *LEVELS,
        value=first.level,
        step=0.5,
        visible=False,
        label="How much of it (deviations above its mean)",
    )
    with gradio.Column(visible=False) as end:
        parts["other"] = gradio.Image(
            picture_of(first.other, 4), label="Where the walk ends", interactive=False, type="pil", format="png",
            height=160, buttons=[], elem_id="other",
        )  # fmt: skip
        parts["other_upload"] = gradio.UploadButton(
            "Upload the end", type="binary", file_types=READABLE, size="sm"
        )
        parts["ends"] = _gallery("Or one of these", _examples(studio), "ends")
    with gradio.Row():
        go = gradio.Button("Draw", variant="primary", elem_id="go", min_width=80)
        stop = gradio.Button("Stop", min_width=80)
    return {**parts, "features": features, "end": end, "go": go, "stop": stop}


def _result_parts() -> dict[str, Any]:
    return {
        "drawn": gradio.Image(
            label="Drawn",
            interactive=False,
            format="png",
            type="pil",
            buttons=["fullscreen"],
            elem_id="drawn",
        ),
        "said": gradio.HTML("", elem_id="said"),
        "take": gradio.HTML("", elem_id="take"),
        "again": gradio.Button("Go on with what was drawn", size="sm", visible=False),
        "query": gradio.Textbox(visible="hidden", label="What the link says", elem_id="query"),
    }


def _examples(studio: Studio) -> list[tuple[Image.Image, str]]:
    shown = studio.examples
    return [
        (picture_of(image[None], 2), shown.class_names[label])
        for image, label in zip(shown.images, shown.labels.tolist(), strict=True)
    ]


def _gallery(label: str, pictures: list[tuple[Image.Image, str]], name: str) -> gradio.Gallery:
    return gradio.Gallery(
        pictures, label=label, columns=5, height="auto", allow_preview=False, buttons=[], format="png",
        object_fit="contain", elem_id=name, interactive=False,
    )  # fmt: skip


__all__ = ["NAMES", "Parts", "feature_pictures", "lay_out", "unit_choices"]
