"""Files that somebody might send to a page that takes images: none of them is one."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from notbugs.app.demo.uploads import LARGEST_FILE


def png(picture=None, **options):
    stream = io.BytesIO()
    (picture or Image.new("RGB", (40, 30), "red")).save(
        stream, format=options.pop("format", "PNG"), **options
    )
    return stream.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height, data=b"", more=b""):
    """A PNG that claims a size, whatever its data are."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


WHOLE = png(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)))
HOSTILE = {
    "nothing": b"",
    "one byte": b"\x89",
    "text": b"hello " * 100,
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "svg with a header": b"<?xml version='1.0'?><svg onload='alert(1)'/>",
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj",
    "zip": b"PK\x03\x04" + bytes(200),
    "zip bomb": b"PK\x03\x04" + zlib.compress(bytes(10**7)),
    "gzip": b"\x1f\x8b\x08" + bytes(100),
    "executable": b"\x7fELF" + bytes(300),
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    "tiff": png(format="TIFF"),
    "icon": png(format="ICO"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "too many bytes": WHOLE + bytes(LARGEST_FILE),
    "too many pixels": png(Image.new("1", (8000, 8000))),
    "pixel bomb": png_of(60000, 60000, bytes(1000)),
    "largest size there is": png_of(2**31 - 1, 2**31 - 1),
    "no width": png_of(0, 10),
    "nothing in it": png_of(64, 64),
    "too little in it": png_of(64, 64, bytes(500)),
    "text bomb": png_of(64, 64, bytes(64 * 193), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))),
    "half a png": WHOLE[: len(WHOLE) // 2],
    "half a jpeg": png(Image.open(io.BytesIO(WHOLE)), format="JPEG")[:900],
    "half a webp": png(Image.open(io.BytesIO(WHOLE)), format="WEBP", lossless=True)[:900],
    "half a gif": png(Image.open(io.BytesIO(WHOLE)), format="GIF")[:900],
    "a broken sum": WHOLE[:60] + bytes([WHOLE[60] ^ 255]) + WHOLE[61:],
    "a jpeg that begins well": b"\xff\xd8\xff\xe0" + bytes(500),
    "a bitmap of no sense": b"BM"
    + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -5, 2**30, 1, 99, 0, 0, 0, 0, 0, 0),
    "a webp of 16383 pixels a side": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xfe\x3f\0\xfe\x3f\0",
    "a gif of 65535 pixels a side": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
}
