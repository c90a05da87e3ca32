"""Initial weights, drawn from a generator of their own in the order of the modules.

Convolutions: normal, variance 2 / fan_out (He et al. 2015, as in the ResNet and WRN papers), or 2 / fan_in
where the layer narrows, so that an untrained DenseNet does not explode. Linear layers: uniform within
1/sqrt(fan_in), PyTorch's default. BatchNorm: scale 1, shift 0, also where a residual branch ends.
"""

import math
from typing import Literal

import torch
from torch import nn


@torch.no_grad()
def draw_initial_weights(module: nn.Module, *, generator: torch.Generator) -> None:
    """Fill every parameter and every BatchNorm statistic of `module`, in place."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            mode: Literal["fan_in", "fan_out"] = (
                "fan_in" if part.in_channels > part.out_channels else "fan_out"
            )
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity="relu", generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Linear):
            bound = 1 / math.sqrt(part.in_features)
            nn.init.uniform_(part.weight, -bound, bound, generator=generator)
            nn.init.uniform_(part.bias, -bound, bound, generator=generator)
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
        elif next(part.parameters(recurse=False), None) is not None:
            raise TypeError(f"no rule for the initial weights of {type(part).__name__}")


__all__ = ["draw_initial_weights"]
