"""Features for any network that maps images to logits, without touching the network.

The features are read where they pass by: a hook is there only while `embed` runs, and nothing is renamed,
replaced or copied.
"""

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from notbugs.errors import NotbugsError, unknown
from notbugs.models.frozen import frozen
from notbugs.seeds import generator
from notbugs.tensors import Embeddings, Images, Logits

_ONE_AT_A_TIME = threading.RLock()


class TappedClassifier(nn.Module):
    """A user's network with `embed`: reads the module `tap`, its input if `reads_input`, else its output."""

    def __init__(self, model: nn.Module, *, tap: str, reads_input: bool) -> None:
        super().__init__()
        self.model = model
        self.tap = tap
        self.reads_input = reads_input

    def embed(self, images: Images) -> Embeddings:
        """What passes the tap: the mean over positions if 4-D, else flattened. Gradients flow through."""
        captured: list[Tensor] = []
        _run_tapped(
            self.model,
            images,
            module=self.model.get_submodule(self.tap),
            into=captured,
            reads_input=self.reads_input,
        )
        if not captured:
            raise NotbugsError(f"module {self.tap!r} was not reached by these images; choose another tap")
        return captured[-1]

    def forward(self, images: Images) -> Logits:
        """The network's own logits."""
        return self.model(images)


def wrap(
    model: nn.Module, *, image_shape: tuple[int, int, int], tap: str | None = None, classes: int | None = None
) -> TappedClassifier:
    """Give `model`, any network from images in [0, 1] to logits, an `embed` method.

    Without `tap`, the features are the input of the linear layer (or 1x1 convolution) that makes the logits;
    it is found on two example images of `image_shape` (channels, height, width). With `tap="layer4.2"` they
    are that module's output. Raises NotbugsError if there is no such module, or none whose input makes the logits.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2))
    >>> tapped = wrap(net, image_shape=(3, 2, 2))
    >>> tapped.tap, tapped.embed(torch.zeros(1, 3, 2, 2)).shape
    ('3', torch.Size([1, 5]))
    """
    if not isinstance(model, nn.Module):
        raise NotbugsError(f"wrap looks for a layer of a Module, and {type(model).__name__} is none")
    names = [name for name, _ in model.named_modules() if name]
    if tap is not None and tap not in names:
        raise unknown("module", tap, names)
    like = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), torch.zeros(1))
    # Random, because on a constant image two different heads could agree.
    images = torch.rand((2, *image_shape), generator=generator(0, "tap")).to(like)
    found: list[str] = []
    with frozen(model), torch.no_grad():
        logits, outputs = _head_candidates(model, images)
        _check_logits(logits, classes)
        if tap is None:
            found = [name for name, output in outputs if _makes(output, logits)]
            if not found:
                raise NotbugsError(
                    f"no linear layer of {type(model).__name__} makes its logits; "
                    f"choose where to read the features with tap=... (modules: {', '.join(names)})"
                )
        tapped = TappedClassifier(model, tap=found[-1] if tap is None else tap, reads_input=tap is None)
        tapped.embed(images)  # a tap that is never reached, or yields no tensor, is found out here
    return tapped


def _head_candidates(model: nn.Module, images: Tensor) -> tuple[Any, list[tuple[str, Tensor]]]:
    """The model's output, and those of its linear layers and 1x1 convolutions in the order of their calls."""
    outputs: list[tuple[str, Tensor]] = []

    def recorder(name: str) -> Callable[[nn.Module, Any, Any], None]:
        # A copy: an in-place operation may follow.
        return lambda module, inputs, output: outputs.append((name, output.detach().clone()))

    hooks = [
        module.register_forward_hook(recorder(name))
        for name, module in model.named_modules()
        if _is_linear(module)
    ]
    try:
        return model(images), outputs
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise NotbugsError(f"the network refuses images of shape {tuple(images.shape)}: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))


def _makes(output: Tensor, logits: Tensor) -> bool:
    """Whether this output is the logits, or its mean over positions is (a 1x1 convolution, then pooling)."""
    flat = output.mean((2, 3)) if output.dim() == 4 else output
    return flat.shape == logits.shape and torch.allclose(flat, logits, rtol=1e-5, atol=1e-6)


def _check_logits(logits: Any, classes: int | None) -> None:
    if not isinstance(logits, Tensor):
        raise NotbugsError(f"the network returns a {type(logits).__name__}, expected one tensor of logits")
    if logits.dim() != 2:
        raise NotbugsError(
            f"the network returns shape {tuple(logits.shape)}, expected (batch, classes) logits"
        )
    if classes is not None and logits.shape[1] != classes:
        raise NotbugsError(f"the network has {logits.shape[1]} logits, the data {classes} classes")


def _run_tapped(
    model: nn.Module, images: Tensor, *, module: nn.Module, into: list[Tensor], reads_input: bool
) -> None:
    """One pass of the model that appends what passes `module` to `into`."""
    owner = threading.get_ident()

    def keep(passing: Any) -> None:
        if threading.get_ident() != owner:  # another thread's images
            return
        if not isinstance(passing, Tensor) or passing.dim() < 2:
            raise NotbugsError(f"the tap passes a {type(passing).__name__} without features; choose another")
        # Reduced or copied at once: an in-place ReLU may follow the tap.
        into.append(passing.mean((2, 3)) if passing.dim() == 4 else passing.flatten(1).clone())

    with _ONE_AT_A_TIME:
        if reads_input:
            hook = module.register_forward_pre_hook(lambda _, inputs: keep(inputs[0] if inputs else None))
        else:
            hook = module.register_forward_hook(lambda _, inputs, output: keep(output))
        try:
            model(images)
        finally:
            hook.remove()


__all__ = ["TappedClassifier", "wrap"]
