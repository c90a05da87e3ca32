"""What a training step changes, as one dictionary of tensors: weights, momentum, averaged weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from notbugs.errors import NotbugsError

Tensors = dict[str, torch.Tensor]


def training_state(model: nn.Module, optimizer: torch.optim.SGD, average: Tensors) -> Tensors:
    """Live references, by name; copy them to keep them."""
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            state[f"momentum.{name}"] = momentum
    return state | {f"average.{name}": tensor for name, tensor in average.items()}


@torch.no_grad()
def load_training_state(
    state: Tensors, model: nn.Module, optimizer: torch.optim.SGD, average: Tensors
) -> None:
    """Put `state` back, copying."""
    own = model.state_dict()
    if {f"model.{name}" for name in own} != {name for name in state if name.startswith("model.")}:
        raise NotbugsError("the checkpoint belongs to another architecture; delete it to start again")
    shapes = {
        f"{kind}.{name}": tensor.shape for kind in ("model", "momentum") for name, tensor in own.items()
    }
    shapes |= {f"average.{name}": tensor.shape for name, tensor in average.items()}
    missing = [f"average.{name}" for name in average if f"average.{name}" not in state]
    strange = [
        name for name, tensor in state.items() if tensor.shape != shapes.get(name) or tensor.is_complex()
    ]
    if missing or strange or not is_finite(state):
        named = ", ".join([*missing, *strange][:5])
        raise NotbugsError(
            f"the checkpoint does not fit the network, or holds NaN ({named}); delete it to start again"
        )
    for name, tensor in own.items():
        tensor.copy_(state[f"model.{name}"])
    for name, parameter in model.named_parameters():
        momentum = state.get(f"momentum.{name}")
        if momentum is not None:
            copy = torch.empty_like(parameter, memory_format=torch.preserve_format)
            optimizer.state[parameter]["momentum_buffer"] = copy.copy_(momentum)
    for name, tensor in average.items():
        tensor.copy_(state[f"average.{name}"])


def snapshot(state: Tensors) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def is_finite(state: Tensors) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in state.values())


@torch.no_grad()
def follow(average: Tensors, model: nn.Module, *, decay: float, updates: int) -> None:
    """Move the exponential moving average one update on; young averages forget faster, so as not to keep
    the initial weights."""
    decay = min(decay, (1 + updates) / (10 + updates))
    live = model.state_dict()
    torch._foreach_lerp_(list(average.values()), [live[name] for name in average], 1 - decay)


@contextmanager
def averaged(model: nn.Module, average: Tensors) -> Iterator[None]:
    """The model with its averaged weights in place of the live ones, inside the block."""
    live = model.state_dict()
    kept = {name: live[name].clone() for name in average}
    with torch.no_grad():
        for name, tensor in average.items():
            live[name].copy_(tensor)
        try:
            yield
        finally:
            for name, tensor in kept.items():
                live[name].copy_(tensor)
