"""Class folders with files in them that are no images, or no files."""

import os
import struct

from benchmarks.valid import picture
from hostile import HOSTILE, png_of

from malformed.entry import TRAIN, Entry, Write, both, copied, cut, family, flipped, raw

TRAINED = (*TRAIN, "--data", "folder:pictures")


def named(name: str | bytes, content: bytes = b"") -> Write:
    """A file whose name is bytes that need not be text."""

    def write(here, valid):
        path = os.path.join(os.fsencode(here), b"pictures/class0", os.fsencode(name))
        with open(path, "wb") as file:
            file.write(content)

    return write


def linked(name: str, target: str) -> Write:
    def write(here, valid):
        (here / name).symlink_to(target)

    return write


def pipe(name: str) -> Write:
    def write(here, valid):
        os.mkfifo(here / name)

    return write


def directory(name: str) -> Write:
    return lambda here, valid: (here / name).mkdir(parents=True)


def unreadable(here, valid):
    (here / "pictures/class0/0.png").unlink()
    (here / "pictures/class0/0.png").symlink_to("/proc/self/mem")


def replaced(here, valid):
    """A class folder that is a file."""
    for path in (here / "pictures/class0").iterdir():
        path.unlink()
    (here / "pictures/class0").rmdir()
    (here / "pictures/class0").write_bytes(picture())


BMP = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
FIRST = "pictures/class0/0.png"
NAME = "pictures/class0/extra.png"

PLACES = {
    "a link to nothing": linked(NAME, "nowhere.png"),
    "a link to itself": linked(NAME, "extra.png"),
    "a link to a text": linked(NAME, "/etc/passwd"),
    "a link to a device": linked(NAME, "/dev/zero"),
    "a link to another device": linked(NAME, "/dev/random"),
    "a link to standard input": linked(NAME, "/dev/stdin"),
    "a link into memory": unreadable,
    "a pipe": pipe(NAME),
    "a link to a pipe": both(pipe("pipe"), linked(NAME, "../../pipe")),
    "a name that is not UTF-8": named(b"\xff\xfe\x80.png"),
    "a name with a new line": named("a\nnotbugs: all is well\n.png"),
    "a name that moves the cursor": named("\x1b[2J\x1b[31mred.png"),
    "a name of another direction": named("\u202egnp.exe.png"),
    "a name of another line": named("a\u2028b\x85c.png"),
    "a name of HTML": named("<img src=x onerror=alert(1)>.png"),
    "a name of 255 letters": named("a" * 251 + ".png"),
    "an empty file": raw(NAME, b""),
    "a class that is a pipe": both(
        lambda here, valid: [
            path.unlink() for path in sorted((here / "pictures").glob("*/*")) if path.suffix == ".png"
        ],
        pipe("pictures/pipe"),
    ),
}

SOURCES = {
    "nothing but links in a circle": (
        both(
            directory("odd/cat"),
            linked("odd/cat/cat", "../cat"),
            linked("odd/cat/up", ".."),
            directory("odd/dog"),
        ),
        "folder:odd",
    ),
    "a folder that is a link to itself": (linked("odd", "odd"), "folder:odd"),
    "a folder that is a pipe": (pipe("odd"), "folder:odd"),
    "a class that is a link to itself": (both(directory("odd/cat"), linked("odd/dog", "dog")), "folder:odd"),
    "a class name that is not UTF-8": (
        lambda here, valid: os.makedirs(os.path.join(os.fsencode(here), b"odd/\xff\xfe")),
        "folder:odd",
    ),
    "folders within folders, 200 deep": (directory("odd/cat/" + "/".join("d" * 200)), "folder:odd"),
    "splits without classes": (both(directory("odd/train/x"), directory("odd/test/y")), "folder:odd"),
    "a device": (lambda here, valid: None, "folder:/dev/null"),
    "a Parquet that is a pipe": (pipe("odd.parquet"), "parquet:odd.parquet"),
    "a Parquet folder with a pipe": (both(directory("odd"), pipe("odd/train.parquet")), "parquet:odd"),
    "a Parquet that is a link to itself": (linked("odd.parquet", "odd.parquet"), "parquet:odd.parquet"),
    "a Parquet that is a device": (lambda here, valid: None, "parquet:/dev/zero"),
    "a built set that is a pipe": (pipe("odd"), "built:odd"),
    "a built set whose manifest is a pipe": (both(directory("odd"), pipe("odd/origin.json")), "built:odd"),
}


def _file(name, content):
    codes = (0, 2) if name.partition(": ")[2] in READABLE else (2,)
    return Entry(name, both(copied("pictures"), raw(FIRST, content)), TRAINED, codes)


CONTENTS = {
    **{name: content for name, content in HOSTILE.items() if len(content) < 2**24},
    "a size of 2^30 a side in a bitmap": BMP,
    "a PNG of 100 million pixels": png_of(10_000, 10_000),
    "an SVG that reads a file": b"<svg><image href='file:///etc/passwd'/></svg>",
    "an MVG that runs": b"push graphic-context\nimage over 0,0 0,0 'label:|touch called'\n",
    "PostScript with a header": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n%pipe%touch called\n",
    "a GIF cut": cut(0.5)(picture(kind="GIF")),
    "a JPEG whose middle changed": flipped(200)(picture(side=32, kind="JPEG"))[:300],
    "a PNG whose sum is wrong": flipped(70)(picture()),
    "a PNG cut by a byte": picture()[:-20],
    "a bitmap cut": cut(0.6)(picture(kind="BMP")),
}

READABLE = ("too many bytes", "too many pixels", "a PNG cut by a byte", "icon")

ENTRIES = [
    *family("image", CONTENTS.items(), _file),
    *family(
        "image place",
        PLACES.items(),
        lambda name, write: Entry(name, both(copied("pictures"), write), TRAINED),
    ),
    *family(
        "source place",
        SOURCES.items(),
        lambda name, case: Entry(name, case[0], (*TRAIN, "--data", case[1])),
    ),
    *family(
        "model place",
        [("a pipe", pipe("odd.safetensors")), ("a link to itself", linked("odd.safetensors", "odd.safetensors")),
         ("a directory", directory("odd.safetensors")), ("a device", linked("odd.safetensors", "/dev/zero"))],
        lambda name, write: Entry(
            name, write, ("build", "det", "--quiet", "--model", "odd.safetensors", "--data", "digits")
        ),
    ),
]  # fmt: skip
