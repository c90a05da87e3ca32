"""BatchNorm over the whole batch where every rank holds a part of it.

torch.nn.SyncBatchNorm does the same for GPUs only and refuses tensors of a CPU; this one runs on both, so that the
tests of one are those of the other.
"""

from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional


@final
class GlobalBatchNorm(nn.Module):
    """What `plain` would make of the batches of all ranks put together, its running statistics included.

    Ranks must call it in the same order, forwards and backwards. It holds `plain`'s own parameters and buffers.
    """

    def __init__(self, plain: nn.BatchNorm2d) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, features: Tensor) -> Tensor:
        plain = self.plain
        if not self.training:
            return plain(features)
        normalized, mean, variance, count = _Normalization.apply(
            features, plain.weight, plain.bias, plain.eps
        )
        if plain.running_mean is not None and plain.running_var is not None:
            # Else the mean over all batches, which no network of ours takes.
            assert plain.momentum is not None
            assert plain.num_batches_tracked is not None
            plain.num_batches_tracked.add_(1)
            plain.running_mean.lerp_(mean, plain.momentum)
            plain.running_var.lerp_(variance * (count / (count - 1)), plain.momentum)
        return normalized


@final
class _Normalization(torch.autograd.Function):
    """Ioffe & Szegedy 2015 with sums over all ranks: an exchange forwards and one back, of 2 numbers a channel."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dims = [0, *range(2, features.dim())]
        wide = features if features.dtype == torch.float64 else features.float()
        variance, mean = torch.var_mean(wide, dims, correction=0)
        # In float64: a large batch has more values than float32 can count.
        mine = torch.cat([mean, variance, mean.new_tensor([features.numel() / len(mean)])]).double()
        of_all = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(of_all, mine)
        means, variances, counts = torch.stack(of_all).split([len(mean), len(mean), 1], dim=1)
        # Chan et al. 1979: variances of the parts, and of the parts' means.
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        variance = (counts * (variances + (means - mean).square())).sum(0) / count
        deviation = (variance + eps).rsqrt()
        mean, variance, deviation = mean.to(wide), variance.to(wide), deviation.to(wide)
        normalized = functional.batch_norm(features, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(features, weight, mean, deviation, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return normalized, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradients: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        features, weight, mean, deviation, count = ctx.saved_tensors
        _none, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradients, features, weight, None, None, mean, deviation, True, ctx.eps, [False, True, True]
        )
        sums = torch.stack([of_weight, of_bias]).double()
        dist.all_reduce(sums)
        along, constant = (sums / count).to(mean)
        # weight * deviation * (gradient - its mean - normalised * the mean of gradient * normalised), in two products
        shape = (1, -1, *(1,) * (features.dim() - 2))
        slope = weight * deviation
        curve = -slope * deviation * along
        rest = -slope * constant - curve * mean
        back = torch.addcmul(rest.view(shape), features.to(mean.dtype), curve.view(shape))
        back = back.addcmul_(gradients.to(mean.dtype), slope.view(shape)).to(features.dtype)
        return back, of_weight, of_bias, None


__all__ = ["GlobalBatchNorm"]
