"""Values as JSON: configs, manifests and results are written the same way everywhere."""

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from notbugs.threats import Threat

LATER = "later"
"""Metadata of a field that came after configs had been written without it."""


def describe(value: Any) -> Any:
    """Config values as JSON: dataclasses by class name and fields, threats as written, everything else as it is.

    A field that is `LATER` is left out at its default: what was described before there was one is still the same.
    """
    if isinstance(value, Threat):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        described = {
            one.name: describe(getattr(value, one.name))
            for one in value.__dataclass_fields__.values()
            if LATER not in one.metadata or getattr(value, one.name) != one.default
        }
        return {"type": type(value).__name__, **described}
    if isinstance(value, Mapping):
        return {str(name): describe(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    return value


def to_json(value: Any) -> str:
    """Readable JSON with sorted keys; equal values give equal bytes."""
    return json.dumps(describe(value), indent=2, sort_keys=True) + "\n"
