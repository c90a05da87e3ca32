"""What a notebook shows: every label escaped, every image inside the page, every number of the audit."""

import base64
import io
import subprocess
import sys
from dataclasses import replace

import torch
from PIL import Image

from notbugs.attacks import PGD
from notbugs.audits import audit
from notbugs.data import LabeledImages, Origin
from notbugs.data.planted import PlantedTruth, planted
from notbugs.notebook import png_uri
from notbugs.threats import L2


def test_images_come_with_their_labels_and_at_most_sixteen_are_shown() -> None:
    html = planted("test", count=20)._repr_html_()
    assert html.count("<img ") == 16
    assert "20 images 3×32×32, 10 classes, 16 shown" in html
    assert "http" not in html


def test_class_names_are_text_not_markup() -> None:
    data = LabeledImages(
        images=torch.zeros(1, 1, 4, 4),
        labels=torch.tensor([0]),
        class_names=('<script>alert("x")</script>',),
        origin=Origin(name="<b>"),
    )
    html = data._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html


def test_a_relabelled_image_shows_both_labels() -> None:
    data = planted("test", count=1)
    old = data.labels
    moved = replace(data, labels=(old + 1) % 10, columns={"original_label": old})
    assert f"class {int(old)} → class {(int(old) + 1) % 10}" in moved._repr_html_()


def test_a_png_holds_the_pixels_of_the_image() -> None:
    levels = torch.arange(48, dtype=torch.float32).view(3, 4, 4) / 255
    kind, _, content = png_uri(levels).partition(",")
    assert kind == "data:image/png;base64"
    pixels = torch.tensor(list(Image.open(io.BytesIO(base64.b64decode(content))).tobytes()))
    assert torch.equal(pixels.view(4, 4, 3).permute(2, 0, 1).float() / 255, levels)


def test_an_audit_shows_its_proportions_its_attacks_and_its_n() -> None:
    attack = PGD(threat=L2(0.5), steps=2, step_size=0.25)
    data = planted("test", count=30)
    found = audit(PlantedTruth().matched_filter("nonrobust"), data, threat=L2(0.5), attacks=[attack])
    html = found._repr_html_()
    for text in (f"{100 * found.clean_accuracy:.1f} %", "l2:0.5", "30", f"{found.felled[0]} fell"):
        assert text in html


def test_notebooks_do_without_the_app_and_without_matplotlib() -> None:
    code = (
        "import sys; import notbugs as nb; nb.load('digits', split='test')._repr_html_(); "
        "assert not {'matplotlib', 'notbugs.app', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
