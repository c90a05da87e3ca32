"""Models: safetensors files that lie."""

import io
import json
import pickle
import zipfile

import torch

from malformed.entry import BUILD, Entry, changed, cut, family, flipped, header, raw, retensored, says

DIGITS = ("--data", "digits")
DEEP = "[" * 100_000 + "]" * 100_000
F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"weights": 1}))
    return stream.getvalue()


def telling(**tensors: object) -> str:
    return json.dumps(tensors)


BYTES = {
    "empty": b"",
    "seven bytes": bytes(7),
    "a length and nothing": header("", length=8),
    "a header of no length": header(""),
    "a header longer than the file": header("{}", length=1000),
    "a header of 2^63 bytes": header("{}", length=2**63),
    "a header of all ones": header("{}", length=2**64 - 1),
    "a header of 99 MB": header("{}", length=99_000_000),
    "a header that is no JSON": header("weights!"),
    "a header that is a list": header("[1, 2]"),
    "a header that is a number": header("7"),
    "a header that is null": header("null"),
    "a header that is not UTF-8": header(b"\xff\xfe{}"),
    "a header nested deeply": header(DEEP),
    "a tensor nested deeply": header('{"a": ' + DEEP + "}"),
    "no tensor": header("{}"),
    "no shape": header(telling(a={"dtype": "F32", "data_offsets": [0, 4]}), bytes(4)),
    "an unknown type": header(telling(a={**F32, "dtype": "F31"}), bytes(4)),
    "a type that is a number": header(telling(a={**F32, "dtype": 32}), bytes(4)),
    "a negative shape": header(telling(a={**F32, "shape": [-1]}), bytes(4)),
    "a gigantic shape": header(telling(a={**F32, "shape": [2**40, 2**40]}), bytes(4)),
    "a shape that is text": header(telling(a={**F32, "shape": "1"}), bytes(4)),
    "offsets that overlap": header(telling(a=F32, b={**F32, "data_offsets": [2, 6]}), bytes(6)),
    "offsets outside of the file": header(telling(a={**F32, "data_offsets": [10**9, 10**9 + 4]}), bytes(4)),
    "offsets the other way round": header(telling(a={**F32, "data_offsets": [4, 0]}), bytes(4)),
    "offsets below zero": header(telling(a={**F32, "data_offsets": [-4, 0]}), bytes(4)),
    "a gap": header(telling(a={**F32, "data_offsets": [4, 8]}), bytes(8)),
    "bytes that nobody names": header(telling(a=F32), bytes(400)),
    "the same name twice": header('{"a": %s, "a": %s}' % ((json.dumps(F32),) * 2), bytes(4)),
    "metadata that is a number": header(telling(__metadata__=7, a=F32), bytes(4)),
    "metadata of numbers": header(telling(__metadata__={"notbugs.spec": 7}, a=F32), bytes(4)),
    "a zip": zipped(),
    "a pickle": pickle.dumps({"weights": [1, 2]}),
    "a pickle that calls": b"cos\nsystem\n(S'touch called'\ntR.",
    "an old pickle of torch": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
    "Python": b"import os\nos.system('touch called')\n",
}

SPECS = {
    "no JSON": "convnet",
    "a list": "[]",
    "null": "null",
    "nested deeply": DEEP,
    "an unknown network": '{"arch": "resnet17", "classes": 10}',
    "a path as network": '{"arch": "../../etc/passwd", "classes": 10}',
    "code as network": '{"arch": "os:system", "classes": 10}',
    "a module as network": '{"arch": "builtins:exec", "classes": 10}',
    "no network": '{"classes": 10}',
    "an unknown field": '{"arch": "convnet", "classes": 10, "factory": "os:system"}',
    "a gigantic number of classes": '{"arch": "convnet", "classes": 1000000000000}',
    "many classes of a wide network": '{"arch": "convnet-1-1-1-99999", "classes": 1048576}',
    "a number of 5000 digits": '{"arch": "convnet", "classes": %s}' % ("9" * 5000),
    "a gigantic network": '{"arch": "wrn-994-999", "classes": 10}',
    "a gigantic width": '{"arch": "densenet-9999", "classes": 10}',
    "gigantic images": '{"arch": "linear", "classes": 1048576, "image_size": 1048576}',
    "gigantic images of resnet": '{"arch": "resnet50-9999", "classes": 10, "image_size": 1048576}',
    "a depth of words": '{"arch": "wrn-a-b", "classes": 10}',
    "a width of foreign digits": '{"arch": "wrn-١٦-٢", "classes": 10}',
    "no class": '{"arch": "convnet", "classes": 0}',
    "classes true": '{"arch": "convnet", "classes": true}',
    "classes as text": '{"arch": "convnet", "classes": "10"}',
    "classes 10.5": '{"arch": "convnet", "classes": 10.5}',
    "a network that is a list": '{"arch": ["convnet"], "classes": 10}',
    "a mean that is text": '{"arch": "convnet", "classes": 10, "mean": "abc"}',
    "a mean that is a number": '{"arch": "convnet", "classes": 10, "mean": 1}',
    "a mean of objects": '{"arch": "convnet", "classes": 10, "mean": [{}, {}, {}]}',
    "a mean of NaN": '{"arch": "convnet", "classes": 10, "mean": [NaN, 0, 0]}',
    "a mean beyond floats": '{"arch": "convnet", "classes": 10, "mean": [%s, 0, 0]}' % ("9" * 400),
    "a deviation of 0": '{"arch": "convnet", "classes": 10, "std": [0, 1, 1]}',
    "HTML and an escape": '{"arch": "<script>\\u001b[31m\\n", "classes": 10}',
}


def _nan(tensors, metadata):
    tensors["head.weight"][0, 0] = torch.nan


def _infinite(tensors, metadata):
    tensors["head.bias"][0] = -torch.inf


def _transposed(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].T.contiguous()


def _integers(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].long()


def _booleans(tensors, metadata):
    for name in tensors:
        tensors[name] = tensors[name].bool()


def _complex(tensors, metadata):
    tensors["head.weight"] = tensors["head.weight"].to(torch.complex64)


def _fewer(tensors, metadata):
    del tensors["head.bias"]


def _more(tensors, metadata):
    tensors.update({f"other.{number}\n\x1b[31m": torch.zeros(1) for number in range(1000)})


def _unsaid(tensors, metadata):
    metadata.clear()


def _zero_deviation(tensors, metadata):
    tensors["normalize.std"].zero_()


def _others(tensors, metadata):
    tensors.clear()


CHANGES = {
    "NaN": _nan, "infinity": _infinite, "another shape": _transposed, "integers": _integers, "booleans": _booleans,
    "complex numbers": _complex, "a tensor missing": _fewer, "1000 tensors more": _more, "no spec": _unsaid,
    "a deviation of zero": _zero_deviation, "no tensors at all": _others,
}  # fmt: skip


def _model(name, write):
    return Entry(name, write, (*BUILD, "--model", "bad.safetensors", *DIGITS))


ENTRIES = [
    *family("model", BYTES.items(), lambda name, content: _model(name, raw("bad.safetensors", content))),
    *family(
        "model",
        [("cut", cut(0.5)), ("without its end", cut(0.99)), ("length changed", flipped(0)),
        ("header changed", flipped(9))],
        lambda name, change: _model(name, changed("model.safetensors", "bad.safetensors", change)),
    ),
    *family(
        "model spec",
        SPECS.items(),
        lambda name, spec: _model(name, retensored("model.safetensors", "bad.safetensors",
        says("notbugs.spec", spec))),
    ),
    *family(
        "model tensors",
        CHANGES.items(),
        lambda name, change: _model(name, retensored("model.safetensors", "bad.safetensors", change)),
    ),
]  # fmt: skip
