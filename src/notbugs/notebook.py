"""How values show themselves in a notebook: plain HTML with images inside, nothing to load."""

import base64
from html import escape
from typing import TYPE_CHECKING

import torch

from notbugs.data.eight_bit import eight_bit, png
from notbugs.tensors import Images

if TYPE_CHECKING:
    from notbugs.audits import AdversarialAudit, Proportion
    from notbugs.data.labeled import LabeledImages

SHOWN = 16
"""Images that a data set shows of itself."""


def png_uri(image: torch.Tensor) -> str:
    """One image (CHW, in [0, 1]; clipped if not) as a data URI. More than three channels: the first three."""
    values = image.detach().cpu().float()
    channels = values[:3] if len(values) >= 3 else values[:1]
    return data_uri(png(eight_bit(channels[None])[0], optimize=True), "image/png")


def data_uri(content: bytes, kind: str) -> str:
    """A file as an address that holds it, of a media type such as image/webp."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def images_html(data: "LabeledImages") -> str:
    """The first images with their labels; in a relabelled data set, with the label that they had before."""
    before = data.columns.get("original_label")
    cells = []
    for row in range(min(SHOWN, len(data))):
        label = data.class_names[int(data.labels[row])]
        old = data.class_names[int(before[row])] if before is not None else label
        text = escape(label if old == label else f"{old} → {label}")
        cells.append(
            '<figure style="margin:0">'
            f'<img src="{_uri(data.images, row)}" alt="{text}" style="width:72px;height:auto;'
            'image-rendering:pixelated;border-radius:3px">'
            f'<figcaption style="font-size:11px;line-height:1.3;max-width:72px;overflow-wrap:anywhere">'
            f"{text}</figcaption></figure>"
        )
    more = f", {len(cells)} shown" if len(cells) < len(data) else ""
    return (
        f"<div><p><strong>{escape(data.origin.name)}</strong>: {escape(_size(data))}{more}</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:10px">{"".join(cells)}</div></div>'
    )


def audit_html(audit: "AdversarialAudit") -> str:
    """Clean and robust accuracy with their intervals, and what fell to each attack."""
    rows = [("clean", audit.clean), (f"robust, {audit.threat}", audit.robust)]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>{_proportion(value)}</tr>'
        for name, value in rows
    )
    fell = "".join(
        f"<li>{escape(name)}: {count} fell</li>"
        for name, count in zip(audit.attacks, audit.felled, strict=True)
    )
    heads = "".join(
        f'<th scope="col" style="text-align:right">{head}</th>' for head in ("accuracy", "95 % interval", "n")
    )
    return (
        '<table style="font-variant-numeric:tabular-nums"><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{cells}</tbody></table>"
        f"<ul>{fell}</ul><p>seed {audit.seed}; each attack takes what the one before left standing</p>"
    )


def _uri(images: Images, row: int) -> str:
    return png_uri(images[row])


def _size(data: "LabeledImages") -> str:
    _, channels, height, width = data.images.shape
    return f"{len(data)} images {channels}×{height}×{width}, {data.classes} classes"


def _proportion(value: "Proportion") -> str:
    low, high = value.interval
    texts = (f"{100 * value.value:.1f} %", f"{100 * low:.1f} to {100 * high:.1f}", str(value.n))
    return "".join(f'<td style="text-align:right">{text}</td>' for text in texts)


__all__ = ["audit_html", "data_uri", "images_html", "png_uri"]
