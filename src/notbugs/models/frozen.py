"""Hold a model still while something is asked of it, and give it back exactly as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def frozen(model: Callable[..., Any]) -> Iterator[None]:
    """Evaluation mode and no parameter gradients inside the block; afterwards every flag as before.

    Flags are restored module by module and parameter by parameter, also after an exception: a BatchNorm
    that its owner had set to evaluation stays there. `.grad` is not touched. A plain function is left alone.

    >>> layer = nn.Dropout()
    >>> with frozen(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    if not isinstance(model, nn.Module):
        yield
        return
    training = [(module, module.training) for module in model.modules()]
    requires_grad = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        # Flags are set directly, not through eval(): a user's module may override train().
        for module, _ in training:
            module.training = False
        for parameter, wanted in requires_grad:
            if wanted:
                parameter.requires_grad_(False)
        yield
    finally:
        for module, was_training in training:
            module.training = was_training
        for parameter, wanted in requires_grad:
            if parameter.requires_grad != wanted:
                parameter.requires_grad_(wanted)


__all__ = ["frozen"]
