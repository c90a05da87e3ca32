"""Weights on disk: one safetensors file that says itself which network it is for. Nothing is unpickled.

The same weights give the same bytes, so a file's digest identifies a model.
"""

import hashlib
from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.locations import Location, local_file, location
from notbugs.models.classifier import ImageClassifier, ModelSpec
from notbugs.models.registry import skeleton

SPEC = "notbugs.spec"
"""The one metadata key (one: the order of several would differ from file to file)."""


def save_model(model: ImageClassifier, path: str | Location) -> None:
    """Write weights and spec to `path`: complete or not at all. Raises NotbugsError for NaN, or if it cannot be."""
    if not isinstance(model, ImageClassifier):
        raise NotbugsError(
            f"save_model is for networks made by `build`, and {type(model).__name__} is none: save its state_dict"
        )
    path = location(path)
    state = _contiguous(model.state_dict())
    _require_finite(state, path)
    write_atomically(path, safetensors.torch.save(state, metadata={SPEC: model.spec.to_json()}))


def load_model(path: str | Location) -> ImageClassifier:
    """The model that `save_model` wrote, on the CPU, in channels_last, in evaluation mode.

    Raises NotbugsError if the file is missing, damaged, not ours, holds NaN, or does not fit the network it names.

    >>> import tempfile
    >>> from notbugs.models import build
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_model(build("convnet", classes=2, seed=0), f"{directory}/model.safetensors")
    ...     load_model(f"{directory}/model.safetensors").spec.arch
    'convnet'
    """
    path = location(path)
    state, metadata = _read_safetensors(path)
    if SPEC not in metadata:
        raise NotbugsError(
            f"{path} says no architecture: notbugs.models.load_state reads its weights, `build` makes a network"
        )
    try:
        spec = ModelSpec.from_json(metadata[SPEC])
        model = skeleton(spec)
    except NotbugsError as error:
        raise NotbugsError(f"{path}: {error}") from error
    _require_match(model.state_dict(), state, path)
    if not bool((state["normalize.std"] > 0).all()):
        raise NotbugsError(f"{path}: normalize.std must be positive; save the model again")
    model.load_state_dict(state, assign=True)
    return model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def load_state(path: Location) -> dict[str, Tensor]:
    """The weights by name in a file of the user's: `.safetensors`, or `.pt`/`.pth` that holds tensors only.

    A checkpoint's inner `state_dict` (or `model`) is taken, and parallel training's prefix `module.` dropped.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)[0]
    _require_file(path)
    try:
        with local_file(path) as here:
            content = torch.load(here, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file makes the reader raise
        raise NotbugsError(
            f"{path} is damaged or holds Python objects, and a pickle is not loaded; re-save as safetensors: "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise NotbugsError(
            f"{path} holds a {type(content).__name__}, expected weights by name (a state_dict)"
        )
    strange = [
        str(name)
        for name, value in content.items()
        if not isinstance(name, str) or not isinstance(value, Tensor)
    ]
    if strange:
        raise NotbugsError(f"{path}: expected only weights by name, found {', '.join(strange[:5])}")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    state = {name.removeprefix(prefix): value for name, value in content.items()}
    _require_finite(state, path)
    return state


def model_digest(model: nn.Module) -> str:
    """SHA-256 of the state's names, shapes, dtypes and values; device and memory order play no part.

    Raises NotbugsError for lazy layers that have not seen an image.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if is_lazy(tensor):
            raise NotbugsError(f"the model's {name} has no shape yet: show it one image where it is made")
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies in plain order that share no memory, as the format demands."""
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }


_PICKLES = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".npy", ".tar"}


def _require_file(path: Location) -> None:
    if not path.is_file():
        raise NotbugsError(f"no weights at {path}: expected a file")


def _read_safetensors(path: Location) -> tuple[dict[str, Tensor], dict[str, str]]:
    _require_file(path)
    try:
        with local_file(path) as here, safe_open(here, framework="pt") as file:
            # Copies: the tensors of an open file live in its pages, and the file may change.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        if path.suffix in _PICKLES:
            raise NotbugsError(
                f"{path} could run any code if it were opened; save its weights as safetensors, or give a "
                "package.module:factory that loads it"
            ) from error
        raise NotbugsError(f"{path} is not a complete safetensors file: {error}") from error
    _require_finite(state, path)
    return state, metadata


def _require_finite(state: Mapping[str, Tensor], path: Location) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            what = "NaN" if bool(tensor.isnan().any()) else "infinity"
            layer, _, weight = name.rpartition(".")
            raise NotbugsError(f"{path}: weights contain {what} in layer {layer or 'of the root'} ({weight})")


def _require_match(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], path: Location) -> None:
    """Same names, same shapes, floats where floats are expected."""
    shapes = [
        f"{name} ({list(given[name].shape)}, expected {list(expected[name].shape)})"
        for name in expected.keys() & given.keys()
        if given[name].shape != expected[name].shape
    ]
    kinds = [
        f"{name} ({given[name].dtype}, expected {expected[name].dtype})"
        for name in expected.keys() & given.keys()
        if given[name].is_floating_point() != expected[name].is_floating_point()
    ]
    problems = {
        "missing": expected.keys() - given.keys(),
        "unexpected": given.keys() - expected.keys(),
        "of another shape": shapes,
        "of another kind": kinds,
    }
    found = [f"{what}: {_shortened(sorted(names))}" for what, names in problems.items() if names]
    if found:
        raise NotbugsError(f"{path} does not fit the network it names; {'; '.join(found)}")


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


__all__ = ["load_model", "load_state", "model_digest", "save_model"]
