"""What happens when a visitor touches the page."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import gradio
import torch
from PIL import Image

from notbugs.app.demo.canvas import image_of, marks_of, on_canvas, own, with_strokes, without_strokes
from notbugs.app.demo.layout import Parts, feature_pictures, lay_out, unit_choices
from notbugs.app.demo.studio import Studio
from notbugs.app.demo.tools import Look, looks
from notbugs.app.demo.uploads import read_upload
from notbugs.app.demo.wish import Wish, picture_of
from notbugs.errors import NotbugsError
from notbugs.jobs.drawing import encoded, grid
from notbugs.notebook import data_uri
from notbugs.tensors import Images

AT_ONCE, WAITING = 2, 64
"""Visitors who are drawn for at once, and who may wait."""

SHOWN = 384
"""Pixels: the side of a single picture that is drawn."""

REMEMBER = "(query) => { if (query) history.replaceState(null, '', '?' + query); }"
"""The address of the page is that of what it shows."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_page(studio: Studio) -> gradio.Blocks:
    """The page for one studio, not yet served."""
    title = "notbugs: what a robust model can draw"
    with gradio.Blocks(title=title, analytics_enabled=False) as page:
        parts = lay_out(studio)
        _on_choices(studio, parts)
        _on_images(studio, parts)
        _on_drawing(studio, parts)
        _on_links(studio, parts, page)
    return page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING, api_open=False)


def _on_choices(studio: Studio, parts: Parts) -> None:
    shown = [
        parts.about, parts.model, parts.to, parts.strength, parts.place, parts.features, parts.level, parts.end,
    ]  # fmt: skip
    parts.tool.change(parts.shown_for, parts.tool, shown, queue=False, **QUIET)

    def of_model(model: str) -> tuple[Any, Any]:
        units = unit_choices(studio, model)
        return feature_pictures(studio, model), gradio.update(choices=units, value=units[0][1])

    parts.model.input(of_model, parts.model, [parts.looks, parts.unit], queue=False, **QUIET)

    def unit_at(model: str, event: gradio.SelectData) -> int:
        return studio.features[model].units[event.index]

    parts.looks.select(unit_at, parts.model, parts.unit, queue=False, **QUIET)


def _on_images(studio: Studio, parts: Parts) -> None:
    blank = torch.ones_like(studio.examples.images[:1])
    rows = torch.cat([studio.examples.images, blank])

    def small(image: Images) -> Image.Image:
        return own(picture_of(image, 4))

    for gallery, upload, target, shown in (
        (parts.examples, parts.upload, parts.editor, on_canvas),
        (parts.ends, parts.other_upload, parts.other, small),
    ):
        gallery.select(_chosen(rows, shown), None, target, queue=False, **QUIET)
        upload.upload(_uploaded(studio.side, shown), upload, target, **QUIET)


def _chosen(rows: Images, shown: Callable[[Images], Any]) -> Callable[[gradio.SelectData], Any]:
    def choose(event: gradio.SelectData) -> Any:
        return shown(rows[event.index][None])

    return choose


def _uploaded(side: int, shown: Callable[[Images], Any]) -> Callable[[bytes], Any]:
    def upload(content: bytes) -> Any:
        try:
            return shown(read_upload(content, side))
        except NotbugsError as error:
            gradio.Warning(escape(str(error)))
            return gradio.skip()

    return upload


def _on_drawing(studio: Studio, parts: Parts) -> None:
    outputs = [parts.drawn, parts.said, parts.take, parts.again, parts.query]

    def draw(*values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            wish = _wish(studio, *values)
            yield from _drawn(studio, wish)
        except NotbugsError as error:
            gradio.Warning(escape(str(error)))
            yield _result(None, _said(str(error)))

    drawing = parts.go.click(draw, parts.controls, outputs, concurrency_limit=AT_ONCE, **QUIET)
    drawing.then(None, parts.query, None, js=REMEMBER, **QUIET)
    parts.stop.click(
        lambda: _said("Stopped on the way."), None, parts.said, cancels=[drawing], queue=False, **QUIET
    )

    def go_on(picture: Image.Image | None) -> Any:
        if picture is None:
            return gradio.skip()
        return on_canvas(image_of(picture, studio.side))

    parts.again.click(go_on, parts.drawn, parts.editor, queue=False, **QUIET)


def _on_links(studio: Studio, parts: Parts, page: gradio.Blocks) -> None:
    restored = [*parts.controls, parts.looks]

    def restore(request: gradio.Request) -> list[Any]:
        query = {name: text for name, text in request.query_params.items() if not name.startswith("__")}
        if "tool" not in query:
            return [gradio.skip()] * len(restored)
        try:
            wish = Wish.from_query(studio, query)
        except NotbugsError as error:
            gradio.Warning(escape(str(error)))
            return [gradio.skip()] * len(restored)
        units = gradio.update(choices=unit_choices(studio, wish.model), value=wish.unit)
        return [
            wish.tool, wish.model, wish.to, wish.strength, units, wish.level, gradio.skip(),
            on_canvas(wish.image, wish.marks),
            own(picture_of(wish.other, 4)), feature_pictures(studio, wish.model),
        ]  # fmt: skip

    page.load(restore, None, restored, **QUIET)


def _wish(studio: Studio, *values: Any) -> Wish:
    """What the controls say. Raises NotbugsError for what they cannot have said."""
    tool, model, to, strength, unit, level, place, canvas, other = values
    marking = tool in ("paint", "fill")
    chosen: dict[str, Any] = {}
    if marking:
        chosen["marks"] = marks_of(canvas, place, studio.side)
    if other is not None:
        chosen["other"] = image_of(other, studio.side)
    image = (without_strokes if marking else with_strokes)(canvas, studio.side)
    return Wish.of(
        studio, tool=tool, model=model, to=to, strength=float(strength), unit=int(unit), level=float(level),
        image=image, **chosen,
    )  # fmt: skip


def _drawn(studio: Studio, wish: Wish) -> Iterator[tuple[Any, ...]]:
    """What the result shows as it comes, and what can be taken away at the end."""
    shown: list[Image.Image] = []
    for look in looks(studio, wish):
        shown.append(_shown(look))
        yield _result(shown[-1], _said(look.note, look.captions, look.done))
    query = wish.query()
    yield _result(
        shown[-1], _said(look.note, look.captions), _take(wish, shown, query), len(look.images) == 1, query
    )


def _result(
    picture: Image.Image | None, said: str, take: str = "", alone: bool = False, query: str = ""
) -> tuple[Any, ...]:
    """The values of all outputs of a drawing: what is sent is how they differ from the last ones, so none is left
    out.
    """
    return picture, said, take, gradio.update(visible=alone), query


def _shown(look: Look) -> Image.Image:
    """One picture large, several as a sheet."""
    if len(look.images) == 1:
        return own(picture_of(look.images, max(1, SHOWN // look.images.shape[-1])))
    across = 4 if len(look.images) > 4 else len(look.images)
    return own(grid(look.images.split(across)))


def _said(note: str, captions: Sequence[str] = (), done: float = 1.0) -> str:
    under = "".join(f"<li>{escape(caption)}</li>" for caption in captions)
    bar = (
        f'<progress max="1" value="{done:.2f}" aria-label="How much is done"></progress>' if done < 1 else ""
    )
    return f'<div aria-live="polite">{bar}<p>{escape(note)}</p>{f"<ol>{under}</ol>" if under else ""}</div>'


def _take(wish: Wish, shown: Sequence[Image.Image], query: str) -> str:
    """Links to the picture, the way there and this state of the page; files of nobody's but the visitor's."""
    picture = data_uri(encoded(shown[-1:], "PNG"), "image/png")
    links = [f'<a download="notbugs-{wish.tool}.png" href="{picture}">Picture (PNG)</a>']
    if wish.tool != "saliency":
        way = data_uri(encoded(shown, "WEBP"), "image/webp")
        links.append(f'<a download="notbugs-{wish.tool}.webp" href="{way}">The way there (WebP)</a>')
    if query:
        links.append(f'<a href="?{escape(query)}">Link to this</a>')
    else:
        links.append("These images are too large for a link.")
    return f"<p>{' '.join(links)}</p>"


__all__ = ["build_page"]
