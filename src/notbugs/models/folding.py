"""The classifier that searches run on: frozen, BatchNorm folded into the convolutions, in the fast format.

The network that an input's gradient is wanted from is not the network that is trained: statistics are fixed, so
every BatchNorm is an affine map and disappears into the convolution before it (Jacob et al. 2018, section 3.2) or
into the two whose sum it normalises, and all weights are held in bfloat16 instead of being cast at each call.
Roundings differ from the original's, so whatever is found here is verified on the original in float32.
"""

import operator
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, final

import torch
from torch import fx, nn
from torch.nn.utils import skip_init

from notbugs.models.autocast import Autocast
from notbugs.models.classifier import ImageClassifier
from notbugs.tensors import Classifier, Embeddings, Images, Logits


@final
class Affine(nn.Module):
    """A BatchNorm that no convolution precedes: x * scale + shift per channel."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.empty(1, channels, 1, 1))
        self.register_buffer("shift", torch.empty(1, channels, 1, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self.shift, features, self.scale)


@final
class MeanOverPositions(torch.autograd.Function):
    """AdaptiveAvgPool2d(1) with a channels_last gradient: PyTorch's own is a broadcast view, on which the ReLU
    below it runs ten times slower on a CPU (PGD on the convnet: +6 %).
    """

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor) -> torch.Tensor:
        ctx.shape = features.shape
        return features.mean((2, 3), keepdim=True)

    @staticmethod
    def backward(ctx: Any, gradients: torch.Tensor) -> torch.Tensor:
        share = gradients / (ctx.shape[2] * ctx.shape[3])
        return share.expand(ctx.shape).contiguous(memory_format=torch.channels_last)


@final
class Pool(nn.Module):
    """The mean over positions: (batch, channels, 1, 1)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return MeanOverPositions.apply(features)


@final
class FoldedClassifier(nn.Module):
    """A frozen twin of an ImageClassifier for input gradients; `refresh` follows its weights.

    Images go in and logits come out in float32; between, everything is in `dtype`.
    """

    def __init__(self, source: ImageClassifier, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.normalize = deepcopy(source.normalize)  # its own: modes and devices are set per module
        self.body, self._updates = _folded(source.body, dtype)
        self.head, more = _folded(source.head, dtype)
        self._updates = [*self._updates, *more]
        self.requires_grad_(False)
        self.train(False)
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the source's present weights and statistics."""
        for update in self._updates:
            update()

    def embed(self, images: Images) -> Embeddings:
        # Normalised in float32 first: near 0.5 a bfloat16 has no room for a perturbation of 1/255.
        normalized = self.normalize(images).to(self.dtype, memory_format=torch.channels_last)
        return self.body(normalized).float()

    def forward(self, images: Images) -> Logits:
        normalized = self.normalize(images).to(self.dtype, memory_format=torch.channels_last)
        return self.head(self.body(normalized)).float()


def fast_view(model: Classifier, precision: torch.dtype) -> Classifier:
    """The fastest classifier with `model`'s input gradients: folded where it is ours, under autocast where not.

    >>> from notbugs.models import build
    >>> model = build("convnet", classes=10, seed=0).eval()
    >>> images = torch.rand(2, 3, 32, 32)
    >>> torch.allclose(fast_view(model, torch.float32)(images), model(images), atol=1e-4)
    True
    """
    if isinstance(model, ImageClassifier):
        return FoldedClassifier(model, precision)
    return model if precision == torch.float32 else Autocast(model, precision)


def threads_for(model: Classifier, device: torch.device) -> int:
    """Into how many parts searches on `model` are best divided: the threads of a CPU for a folded network.

    Any other may write to itself when called (hooks, counters), and an accelerator takes a batch whole: 1.
    """
    return torch.get_num_threads() if device.type == "cpu" and isinstance(model, FoldedClassifier) else 1


def _folded(source: nn.Module, dtype: torch.dtype) -> tuple[nn.Module, list[Callable[[], None]]]:
    """A graph of `source` without BatchNorm, and the functions that fill its weights from the source's."""
    wrapper = nn.Sequential(source)  # tracing wants a root that is not itself a leaf such as nn.Linear
    graph_module = fx.symbolic_trace(wrapper)
    modules = dict(wrapper.named_modules())
    updates: list[Callable[[], None]] = []
    replaced: dict[str, nn.Module] = {}
    calls = [node for node in graph_module.graph.nodes if node.op == "call_module"]
    # BatchNorms first: what absorbs one is then done.
    for node in sorted(calls, key=lambda call: not isinstance(modules[str(call.target)], nn.BatchNorm2d)):
        if str(node.target) in replaced:
            continue
        module = modules[str(node.target)]
        if isinstance(module, nn.BatchNorm2d):
            absorbing = _absorbing(node, modules)
            for index, conv_node in enumerate(absorbing):
                conv = modules[str(conv_node.target)]
                assert isinstance(conv, nn.Conv2d)
                fused = _empty_conv(conv, dtype)
                updates.append(_fill_conv(fused, conv, module, shifted=index == 0))
                replaced[str(conv_node.target)] = fused
            if absorbing:
                node.replace_all_uses_with(node.args[0])
                graph_module.graph.erase_node(node)
            else:
                affine = Affine(module.num_features).to(_device_of(module), dtype)
                updates.append(_fill_affine(affine, module))
                replaced[str(node.target)] = affine
        elif isinstance(module, nn.Conv2d):
            copy = _empty_conv(module, dtype)
            updates.append(_fill_conv(copy, module, None))
            replaced[str(node.target)] = copy
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size == 1:
            replaced[str(node.target)] = Pool()
        elif isinstance(module, nn.Linear):
            linear = skip_init(nn.Linear, module.in_features, module.out_features, module.bias is not None)
            linear = linear.to(module.weight.device, dtype)
            updates.append(_fill_linear(linear, module))
            replaced[str(node.target)] = linear
        elif any(True for _ in module.parameters()):
            raise TypeError(f"cannot fold {type(module).__name__} at {node.target}")
        else:
            replaced[str(node.target)] = deepcopy(module)
    for name, module in replaced.items():
        parent, _, leaf = name.rpartition(".")
        setattr(operator.attrgetter(parent)(graph_module) if parent else graph_module, leaf, module)
    _work_in_place(graph_module)
    graph_module.graph.lint()
    graph_module.recompile()
    graph_module.delete_all_unused_submodules()
    return graph_module, updates


def _absorbing(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[fx.Node, ...]:
    """The convolutions that can take over the BatchNorm at `node`: that before it, or the two whose sum it sees."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    parts = before.args if before.target is operator.add else (before,)
    convs = [part for part in parts if isinstance(part, fx.Node) and part.op == "call_module"]
    convs = [conv for conv in convs if isinstance(modules[str(conv.target)], nn.Conv2d)]
    alone = all(len(one.users) == 1 for one in (before, *convs))
    return tuple(convs) if alone and len(convs) == len(parts) else ()


def _work_in_place(graph_module: fx.GraphModule) -> None:
    """Sums and ReLUs overwrite what a convolution or an Affine has made for them alone: less memory to go through."""
    modules = dict(graph_module.named_modules())
    times_called = Counter(str(node.target) for node in graph_module.graph.nodes)

    def is_spare(value: Any) -> bool:
        """Whether nobody else reads this value, its own gradient included."""
        if not isinstance(value, fx.Node) or len(value.users) > 1:
            return False
        made_by = modules.get(str(value.target)) if value.op == "call_module" else None
        return value.target is operator.iadd or isinstance(made_by, nn.Conv2d | Affine)

    for node in graph_module.graph.nodes:
        if node.target is operator.add and any(map(is_spare, node.args)):
            node.args = tuple(sorted(node.args, key=is_spare, reverse=True))
            node.target = operator.iadd
        elif isinstance(relu := modules.get(str(node.target)), nn.ReLU):
            relu.inplace = is_spare(node.args[0]) and times_called[str(node.target)] == 1


def _device_of(module: nn.BatchNorm2d) -> torch.device:
    assert module.running_mean is not None  # a BatchNorm without statistics cannot be frozen
    return module.running_mean.device


def _empty_conv(conv: nn.Conv2d, dtype: torch.dtype) -> nn.Conv2d:
    # Not initialised: that would draw from the global generator, and the weights are filled in anyway.
    twin = skip_init(
        nn.Conv2d,
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        bias=True,
    )
    return twin.to(conv.weight.device, dtype, memory_format=torch.channels_last)


def _scale_and_shift(batch_norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert batch_norm.running_mean is not None
    assert batch_norm.running_var is not None
    scale = (batch_norm.running_var + batch_norm.eps).rsqrt()
    if batch_norm.affine:
        return (
            scale * batch_norm.weight,
            batch_norm.bias - batch_norm.running_mean * scale * batch_norm.weight,
        )
    return scale, -batch_norm.running_mean * scale


def _fill_conv(
    twin: nn.Conv2d, conv: nn.Conv2d, batch_norm: nn.BatchNorm2d | None, *, shifted: bool = True
) -> Callable[[], None]:
    """`shifted`: whether this convolution adds the BatchNorm's shift; of two that are summed, one does."""

    def update() -> None:
        weight = conv.weight
        bias = conv.bias if conv.bias is not None else weight.new_zeros(len(weight))
        if batch_norm is not None:
            scale, shift = _scale_and_shift(batch_norm)
            weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale
            bias = bias + shift if shifted else bias
        twin.weight.copy_(weight)
        assert twin.bias is not None
        twin.bias.copy_(bias)

    return update


def _fill_affine(twin: Affine, batch_norm: nn.BatchNorm2d) -> Callable[[], None]:
    def update() -> None:
        scale, shift = _scale_and_shift(batch_norm)
        twin.scale.copy_(scale.view(1, -1, 1, 1))
        twin.shift.copy_(shift.view(1, -1, 1, 1))

    return update


def _fill_linear(twin: nn.Linear, linear: nn.Linear) -> Callable[[], None]:
    def update() -> None:
        twin.weight.copy_(linear.weight)
        if linear.bias is not None:
            twin.bias.copy_(linear.bias)

    return update
