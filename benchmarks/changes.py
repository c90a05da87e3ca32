"""What the fuzzer does to a valid input, drawn by a generator: bytes, JSON, lines, headers and words."""

import json
import random
import re
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 7, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a",
    "..", "/etc/passwd",
    "../x", "os:system", "<script>", "\0", "\ud800", "9" * 50, "l2:0.5", "http://127.0.0.1:9/x", [], [[]],
    {}, {"a": 1},
    [None], [1, 2, 3], "data", "standard",
)  # fmt: skip
WORDS = (
    ":", "@", ",", "/", "-", "x", "#", ".", "=", " ", "\0", "\n", "²", "٣", "0", "1", "8", "255",
    "99999999999999999999", "nan",
    "inf", "1e999", "-1", "0.5", "l2", "linf", "l1", "band", "low", "high", "low-square", "region", "mask",
    "colour", "fog",
    "noise", "shuffled", "without-texture", "without-colour", "only-colour", "pgd", "digits", "planted", "squares",
    "sketches", "cat", "tagged", "folder", "parquet", "built", "imagenet", "table.parquet", "pictures",
    "build", "os", "..",
)  # fmt: skip


def flip(draw: random.Random, content: bytes) -> bytes:
    """A few bits, near one another or not."""
    changed = bytearray(content or b"\0")
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def head(draw: random.Random, content: bytes) -> bytes:
    """Bits of the first or last kilobyte, where formats say what follows."""
    near = draw.randrange(min(1024, len(content)) or 1)
    at = near if draw.random() < 0.6 else len(content) - 1 - near
    changed = bytearray(content or b"\0")
    changed[at] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
    return bytes(changed)


def cut(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def splice(draw: random.Random, content: bytes) -> bytes:
    """A piece somewhere else: moved, doubled, or of zeros."""
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    at, piece = draw.randrange(len(content) + 1), content[first:last][:4096]
    return (
        content[:at]
        + draw.choice((piece, bytes(len(piece)), b"\xff" * len(piece)))
        + content[at + draw.choice((0, len(piece))) :]
    )


BYTES = (flip, head, head, cut, splice)


def changed_bytes(draw: random.Random, content: bytes) -> bytes:
    return draw.choice(BYTES)(draw, content)


def changed_json(draw: random.Random, content: bytes) -> bytes:
    """A value somewhere becomes another, goes, or comes twice; or the text itself changes."""
    if draw.random() < 0.1:
        return changed_bytes(draw, content)
    found = json.loads(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        found = _elsewhere(draw, found)
    return json.dumps(found).encode()


def _elsewhere(draw: random.Random, found: Any) -> Any:
    places = list(_places(found))
    if not places:
        return draw.choice(ODD)
    owner, key = draw.choice(places)
    what = draw.random()
    if what < 0.2:
        del owner[key]
    elif what < 0.3:
        owner[key] = [owner[key]] if draw.random() < 0.5 else {str(draw.choice(ODD)): owner[key]}
    elif what < 0.5:
        other, place = draw.choice(places)
        owner[key] = json.loads(
            json.dumps(other.get(place) if isinstance(other, dict) else other[min(place, len(other) - 1)])
        )
    else:
        owner[key] = draw.choice(ODD)
    return found


def _places(found: Any) -> Any:
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in items:
        yield found, key
        yield from _places(value)


def changed_text(draw: random.Random, text: str) -> str:
    parts = [part for part in re.split(r"([:@,/#x=-])", text) if part]
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(parts) + 1)
        what = draw.random()
        if what < 0.3:
            parts[at : at + 1] = []
        elif what < 0.6:
            parts[at : at + 1] = [draw.choice(WORDS)]
        else:
            parts[at:at] = [draw.choice(WORDS)]
    return "".join(parts)


def changed_header(draw: random.Random, content: bytes) -> bytes:
    """The header of a safetensors file with other values, under its right length."""
    size = int.from_bytes(content[:8], "little")
    found = json.loads(content[8 : 8 + size])
    told = found["__metadata__"]
    key = draw.choice(list(told))
    told[key] = changed_text(draw, told[key]) if draw.random() < 0.3 or told[key][0] not in "[{" else changed_json(
        draw, told[key].encode()
    ).decode("utf-8", "replace")  # fmt: skip
    if draw.random() < 0.3:
        told.pop("sha256", None)
    encoded = json.dumps(found if draw.random() < 0.7 else _elsewhere(draw, found)).encode()
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + size :]


def changed_lines(draw: random.Random, content: bytes) -> bytes:
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    return b"\n".join([*lines[:at], changed_json(draw, lines[at]), *lines[at + 1 :]])
