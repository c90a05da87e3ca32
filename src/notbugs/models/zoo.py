"""Models that come with the package, each with its card, and larger ones by address and checksum."""

import hashlib
import json
import os
import urllib.request
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, final

from notbugs.errors import NotbugsError, unknown
from notbugs.files import write_atomically
from notbugs.models.classifier import ImageClassifier
from notbugs.models.weights import load_model

HERE = Path(__file__).parent / "zoo"
LARGEST = 2**31
"""Bytes: what claims to be larger is not downloaded."""


@final
@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a shipped model. `command` trains it again; accuracies are (value, low, high), on `n` images
    of `tested_on`; `digest` is the SHA-256 of its file.
    """

    name: str
    about: str
    class_names: tuple[str, ...]
    command: str
    data: str
    tested_on: str
    n: int
    clean_accuracy: tuple[float, float, float]
    robust_accuracy: tuple[float, float, float]
    threat: str
    attacks: str
    digest: str

    @staticmethod
    def from_json(text: str) -> "Card":
        """Raises NotbugsError unless the text has these fields and no others."""
        values: dict[str, Any] = json.loads(text)
        wanted = {field.name for field in fields(Card)}
        if set(values) != wanted:
            raise NotbugsError(f"not a model card: fields differ in {sorted(wanted ^ set(values))}")
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return Card(**values)


@cache
def zoo_names() -> tuple[str, ...]:
    """The models that come with the package.

    >>> "cifar10-robust" in zoo_names()
    True
    """
    return tuple(sorted(path.stem for path in HERE.glob("*.safetensors")))


def zoo_card(name: str) -> Card:
    """The card of a shipped model. Raises NotbugsError for a name that there is not."""
    if name not in zoo_names():
        raise unknown("model of the zoo", name, zoo_names())
    return Card.from_json((HERE / f"{name}.json").read_text(encoding="utf-8"))


def zoo_model(name: str) -> ImageClassifier:
    """A shipped model by name, or `https://HOST/model.safetensors#sha256=DIGEST`, downloaded once.

    Raises NotbugsError for an unknown name, and for a file that is not what its checksum says.

    >>> zoo_model("cifar10-robust").spec.classes
    10
    """
    if "://" in name:
        return load_model(_downloaded(name))
    card, path = zoo_card(name), HERE / f"{name}.safetensors"
    _require_digest(path.read_bytes(), card.digest, str(path))
    return load_model(path)


def zoo_seeds(name: str) -> Path | None:
    """The file of the Gaussians of the classes that a shipped model was trained on, where there is one.

    It is that of any shipped model of the same data: all of them start from the same seeds.
    """
    if name not in zoo_names():
        return None
    alike = (other for other in zoo_names() if zoo_card(other).data == zoo_card(name).data)
    files = (HERE / "seeds" / f"{other}.safetensors" for other in alike)
    return next((path for path in files if path.is_file()), None)


def _downloaded(address: str) -> Path:
    """Where the file of this address and checksum lies; fetched if it does not yet."""
    url, _, wanted = address.partition("#sha256=")
    if len(wanted) != 64 or not all(digit in "0123456789abcdef" for digit in wanted):
        raise NotbugsError(
            f"{address}: say what the file must be, as in https://HOST/model.safetensors#sha256=DIGEST"
        )
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise NotbugsError(f"{address}: models are fetched by https://, or from this machine by http://")
    cache_root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache_root / "notbugs" / "zoo" / f"{wanted}.safetensors"
    if path.is_file():
        _require_digest(path.read_bytes(), wanted, str(path))
    else:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                content = answer.read(LARGEST + 1)
        except (OSError, ValueError) as error:
            raise NotbugsError(f"{url} could not be fetched ({error}); check address and network") from error
        if len(content) > LARGEST:
            raise NotbugsError(f"{url} has more than {LARGEST // 2**30} GiB: that is no model of this kind")
        _require_digest(content, wanted, url)
        write_atomically(path, content)
    return path


def _require_digest(content: bytes, wanted: str, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise NotbugsError(
            f"{where} is not the file that was meant: its SHA-256 is {found}, expected {wanted}"
        )


__all__ = ["Card", "zoo_card", "zoo_model", "zoo_names", "zoo_seeds"]
