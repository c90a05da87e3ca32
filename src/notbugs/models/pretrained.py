"""Pretrained networks of timm and torchvision, where those are installed, as classifiers of images in [0, 1]."""

import importlib
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from notbugs.errors import NotbugsError, unknown
from notbugs.models.classifier import Normalize

_AS_TRAINED: dict[str, dict[str, Any]] = {
    "inception_v3": {"transform_input": True, "init_weights": False},
    "googlenet": {"transform_input": True, "init_weights": False},
}
"""What torchvision's own way to load weights would also set."""

_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def pretrained(library: str, name: str) -> nn.Module:
    """The network `name` of `library`, with the weights that it offers, after its normalisation; evaluating.

    It takes images in [0, 1], which are best as large as those it was trained on: nothing is resized here. Weights
    are downloaded once, to where the library keeps them; of torchvision's files nothing but tensors is unpickled,
    timm reads its own. Raises NotbugsError if the library, the network or its weights are not there.
    """
    if library not in _MAKERS:
        raise unknown("library of networks", library, _MAKERS)
    make, module = _MAKERS[library]
    try:
        imported = importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch raises RuntimeError
        raise NotbugsError(
            f"{library}:{name} needs {library}, and its import failed ({error}); "
            f"install the {library} that fits torch {torch.__version__}"
        ) from error
    try:
        return make(imported, name).eval()
    except Exception as error:  # whatever a library, a network or a file raises
        said = " ".join(str(error).split())
        raise NotbugsError(f"{library}:{name}: {said if len(said) < 200 else f'{said[:200]} ...'}") from error


def _of_timm(timm: Any, name: str) -> nn.Module:
    network = timm.create_model(name, pretrained=True)
    config = timm.data.resolve_model_data_config(network)
    return _normalised(network, config["mean"], config["std"])


def _of_torchvision(models: Any, name: str) -> nn.Module:
    weights = models.get_model_weights(name).DEFAULT
    # torchvision's own call would unpickle the file.
    state = torch.hub.load_state_dict_from_url(
        weights.url, map_location="cpu", check_hash=True, weights_only=True
    )
    network = models.get_model(name, weights=None, **_AS_TRAINED.get(name, {}))
    if name.startswith("densenet"):  # their files are older than the names of their layers
        state = {_OLD_NAME.sub(r"\1\2", key): value for key, value in state.items()}
    network.load_state_dict(state)
    how = weights.transforms()
    return _normalised(network, how.mean, how.std)


def _normalised(network: nn.Module, mean: Any, std: Any) -> nn.Module:
    return nn.Sequential(OrderedDict(normalize=Normalize(tuple(mean), tuple(std)), network=network))


_MAKERS: dict[str, tuple[Callable[[Any, str], nn.Module], str]] = {
    "timm": (_of_timm, "timm"),
    "torchvision": (_of_torchvision, "torchvision.models"),
}
"""How a library makes a network, and the module that it takes."""

LIBRARIES = tuple(_MAKERS)

__all__ = ["LIBRARIES", "pretrained"]
