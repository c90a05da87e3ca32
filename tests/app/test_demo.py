"""The page's parts without a browser: uploads, links, the canvas, what each tool does."""

import os
import random
import subprocess
import sys
from dataclasses import fields, replace
from urllib.parse import parse_qsl

import gradio
import numpy as np
import pytest
import torch
from hostile import HOSTILE, WHOLE, png
from PIL import Image

from notbugs import build, load
from notbugs.app.demo.canvas import DRAWN, PLACES, marks_of, on_canvas, with_strokes, without_strokes
from notbugs.app.demo.layout import feature_pictures
from notbugs.app.demo.serving import forget_older
from notbugs.app.demo.studio import open_studio
from notbugs.app.demo.tools import looks
from notbugs.app.demo.uploads import read_text, read_upload
from notbugs.app.demo.wish import LONGEST_LINK, TOOLS, Wish
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

SIDE = 32


@pytest.fixture(scope="module")
def studio():
    models = {
        name: build("convnet-8-8-8-8", classes=10, seed=seed) for seed, name in enumerate(("one", "two"))
    }
    return open_studio(models, load("sketches").first(40))


@pytest.fixture
def image():
    return (torch.rand(1, 3, SIDE, SIDE, generator=generator(0)) * 255).round() / 255


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(name):
    with pytest.raises(NotbugsError) as refusal:
        read_upload(HOSTILE[name], SIDE)
    said = str(refusal.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 140


@pytest.mark.parametrize("name", ["too many pixels", "pixel bomb", "a gif of 65535 pixels a side"])
@pytest.mark.parametrize("most", [None, 12_000_000])
def test_an_image_with_too_many_pixels_is_told_so(name, most, monkeypatch):
    """Also where Pillow was told to refuse it first."""
    if most:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    with pytest.raises(NotbugsError, match="too many pixels; the limit is 24 million"):
        read_upload(HOSTILE[name], SIDE)


def test_noise_is_refused_or_an_image():
    """Every tenth byte of a true file changed: decoders raise what they like, visitors see one kind of thing."""
    draw = random.Random(0)
    for _ in range(50):
        content = bytearray(WHOLE)
        for at in draw.sample(range(len(content)), len(content) // 10):
            content[at] = draw.randrange(256)
        with pytest.raises(NotbugsError):
            read_upload(bytes(content), SIDE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_an_image_is_taken_at_its_middle(kind):
    picture = Image.new("RGB", (100, 60), "black")
    picture.paste((255, 255, 255), (20, 0, 80, 60))
    shown = read_upload(png(picture, format=kind), SIDE)
    assert shown.shape == (1, 3, SIDE, SIDE)
    assert shown[..., 4:-4].mean() > 0.97


def test_a_link_brings_back_what_it_says(studio, image):
    marks = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    marks[:, 3:9, 20:] = True
    wish = Wish.of(
        studio, tool="walk", model="two", image=image, marks=marks, other=image.flip(3), to="frog", strength=2.5,
        unit=studio.features["two"].units[3], level=-1.5,
    )  # fmt: skip
    back = Wish.from_query(studio, dict(parse_qsl(wish.query())))
    for field in fields(Wish):
        one, other = getattr(wish, field.name), getattr(back, field.name)
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, field.name
    assert len(wish.query()) <= LONGEST_LINK


@pytest.mark.parametrize(
    "query",
    [
        {"tool": "rm"}, {"model": "three"}, {"to": "unicorn"}, {"strength": "1e9"}, {"strength": "nan"},
        {"level": "x"}, {"unit": "-1"}, {"unit": "100000"}, {"unit": "1.5"}, {"image": "???"}, {"image": "aGVsbG8="},
        {"marks": "é"},
    ],
    ids=str,
)  # fmt: skip
def test_a_link_that_says_what_there_is_not_is_refused(query, studio):
    with pytest.raises(NotbugsError):
        Wish.from_query(studio, query)


def test_what_a_link_leaves_out_is_as_at_first(studio):
    first, named = Wish.of(studio), Wish.from_query(studio, {"tool": "fill"})
    assert named.tool == "fill"
    assert torch.equal(named.image, first.image)
    assert "other" not in named.query()
    assert "marks" not in named.query()


def test_images_too_large_for_a_link_make_none(studio):
    noise = torch.rand(1, 3, 96, 96, generator=generator(0))
    wish = replace(Wish.of(studio), image=noise, other=noise, marks=torch.zeros(1, 96, 96, dtype=torch.bool))
    assert wish.query() == ""


@pytest.mark.parametrize("shape", [(4000, 10, 3), (10, 10), (10, 4000, 4)])
def test_a_canvas_that_the_page_never_sends_is_refused(shape):
    sent = np.zeros(shape, np.uint8)
    with pytest.raises(NotbugsError, match="pixels a side"):
        without_strokes({"background": sent}, SIDE)
    with pytest.raises(NotbugsError, match="pixels a side"):
        marks_of({"layers": [sent]}, DRAWN, SIDE)
    with pytest.raises(NotbugsError, match="layers"):
        marks_of({"layers": [np.zeros((10, 10, 4), np.uint8)] * 9}, DRAWN, SIDE)


def test_the_server_reads_no_other_kinds_of_images():
    """In a process of its own: it is for whatever opens images there, the web framework too."""
    code = (
        "import io, sys; from PIL import Image; from notbugs.app.demo.serving import limit_pillow\n"
        "limit_pillow()\n"
        "for kind in ('PNG', 'TIFF', 'EPS', 'PPM', 'ICO', 'JPEG'):\n"
        "    stream = io.BytesIO(); Image.new('RGB', (64, 64)).save(stream, format=kind); stream.seek(0)\n"
        "    try: Image.open(stream).load(); print(kind)\n"
        "    except OSError: pass\n"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["PNG", "JPEG"]


def test_the_canvas_gives_back_what_was_put_on_it(image):
    canvas = on_canvas(image)
    held = {name: np.asarray(canvas[name].convert("RGBA")) for name in ("background", "composite")}
    assert torch.allclose(with_strokes(held, SIDE), image, atol=1e-6)
    assert torch.allclose(without_strokes(held, SIDE), image, atol=1e-6)
    assert not marks_of(held, DRAWN, SIDE).any()


def test_strokes_are_part_of_the_image_or_marks(image):
    marks = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    marks[:, 3:9, 20:] = True
    canvas = on_canvas(image, marks)
    held = {name: np.asarray(canvas[name].convert("RGBA")) for name in ("background", "composite")}
    held["layers"] = [np.asarray(layer) for layer in canvas["layers"]]
    assert torch.equal(marks_of(held, DRAWN, SIDE), marks)
    assert torch.allclose(without_strokes(held, SIDE), image, atol=1e-6)
    changed = (with_strokes(held, SIDE) - image).abs().amax(1) > 0.01
    assert not (changed & ~marks).any()
    assert with_strokes({}, SIDE).eq(1).all()


def test_what_visitors_leave_goes_when_it_is_old(tmp_path):
    (tmp_path / "inside").mkdir()
    old, kept, new = (tmp_path / "inside" / name for name in ("old", "kept", "new"))
    for path in (old, kept, new):
        path.write_bytes(b"x")
    for path in (old, kept):
        os.utime(path, (0, 0))
    forget_older(tmp_path, 900, keep=frozenset({kept}))
    assert [path.exists() for path in (old, kept, new)] == [False, True, True]
    (tmp_path / "left").mkdir()
    os.utime(tmp_path / "left", (0, 0))
    os.utime(tmp_path / "inside", (0, 0))
    forget_older(tmp_path, 900, keep=frozenset({kept}))
    assert [path.name for path in tmp_path.iterdir()] == ["inside"], "empty directories go, others stay"


def test_what_two_visitors_see_lies_in_two_files(image, studio, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    marks = torch.ones(1, SIDE, SIDE, dtype=torch.bool)
    seen = []
    for _visitor in range(2):
        held = gradio.ImageEditor(format="png").postprocess(on_canvas(image, marks))
        looks = gradio.Gallery(format="png").postprocess(feature_pictures(studio, "one"))
        seen.append({
            *(part.path for part in (held.background, held.composite, *held.layers)),
            *(picture.image.path for picture in looks.root),
        })  # fmt: skip
    assert len(seen[0]) == len(seen[1]) == 3 + len(studio.features["one"].units)
    assert not seen[0] & seen[1]


def test_places_are_marked_for_whoever_does_not_draw():
    half = marks_of({}, "lower half", SIDE)
    assert half[:, SIDE // 2 :].all()
    assert not half[:, : SIDE // 2].any()
    assert all(marks_of({}, place, SIDE).any() for place in PLACES if place != DRAWN)
    with pytest.raises(NotbugsError, match="no place"):
        marks_of({}, "somewhere", SIDE)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_shows_the_way_to_its_end(tool, studio, image):
    wish = Wish.of(studio, tool=tool, image=image, marks=marks_of({}, "middle", SIDE))
    seen = list(looks(studio, wish))
    shares = [look.done for look in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(look.images.shape[1:] == (3, SIDE, SIDE) and look.note.endswith(".") for look in seen)
    assert all(look.images.min() >= 0 and look.images.max() <= 1 for look in seen)
    again = list(looks(studio, wish))
    assert all(torch.equal(one.images, other.images) for one, other in zip(seen, again, strict=True))


@pytest.mark.parametrize("tool", ["paint", "fill"])
def test_a_marking_tool_changes_what_is_marked_and_asks_for_marks(tool, studio, image):
    wish = Wish.of(studio, tool=tool, image=image, marks=marks_of({}, "left half", SIDE))
    change = (list(looks(studio, wish))[-1].images - image).abs().amax(1)
    assert change[:, :, : SIDE // 2].amax() > 0.01
    assert change[:, :, SIDE // 2 :].eq(0).all()
    with pytest.raises(NotbugsError, match="Say where"):
        list(looks(studio, replace(wish, marks=torch.zeros_like(wish.marks))))


def test_a_hole_must_leave_something(studio, image):
    everything = torch.ones(1, SIDE, SIDE, dtype=torch.bool)
    with pytest.raises(NotbugsError, match="whole image"):
        list(looks(studio, Wish.of(studio, tool="fill", image=image, marks=everything)))


def test_a_morph_stays_as_near_as_it_was_told(studio, image):
    wish = Wish.of(studio, tool="morph", image=image, strength=1.5)
    moved = list(looks(studio, wish))[-1].images
    assert (moved - image).norm() <= 1.5 + 1e-4


def test_models_that_do_not_fit_are_refused():
    data = load("sketches").first(4)
    with pytest.raises(NotbugsError, match="tells 7 classes apart, sketches has 10"):
        open_studio({"robust": build("convnet-8-8-8-8", classes=7, seed=0)}, data)
    with pytest.raises(NotbugsError, match="is a function"):
        open_studio({"robust": lambda images: images.mean((2, 3))}, data)


def test_the_text_of_an_image_is_read_as_untrustingly_as_a_file():
    with pytest.raises(NotbugsError, match="link is damaged"):
        read_text("a", SIDE)
