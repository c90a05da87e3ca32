"""The folded twin answers as its source does, follows it, and leaves it alone."""

import copy
import operator

import pytest
import torch
from torch import nn

from notbugs.models import build
from notbugs.models.autocast import Autocast
from notbugs.models.folding import Affine, FoldedClassifier, fast_view


def close(given, expected, rel=1e-4):
    """Close relative to the largest value: errors of a convolution do not shrink with its smaller outputs."""
    torch.testing.assert_close(given, expected, rtol=0, atol=rel * float(expected.abs().max()))


def with_other_statistics(model, seed):
    """The same network as if trained further: other weights, other BatchNorm scales, shifts and statistics."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=draw))
                for tensor in (module.bias, module.running_mean):
                    tensor.copy_(0.2 * torch.randn(tensor.shape, generator=draw))
        model.head.weight.add_(0.1 * torch.randn(model.head.weight.shape, generator=draw))
        model.head.bias.add_(1)
    return model


@pytest.fixture
def source(arch, trained_looking):
    return trained_looking(arch)


def test_logits_and_embeddings_are_the_sources(source, images):
    folded = FoldedClassifier(source, torch.float32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        close(folded(images), source(images))
        close(folded.embed(images), source.embed(images))


def test_the_wide_network_needs_no_affine_and_sums_in_place():
    folded = FoldedClassifier(build("wrn-10-2", classes=2, seed=0), torch.float32)
    assert not any(isinstance(module, Affine) for module in folded.modules())
    sums = [node for node in folded.body.graph.nodes if node.op == "call_function"]
    assert len(sums) == 3
    assert all(node.target is operator.iadd for node in sums)


class Branched(nn.Module):
    """What may not be overwritten or absorbed: values with two readers, a module called twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.relu = nn.ReLU()
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, images):
        first = self.conv1(images)
        both = self.relu(first) + first  # overwriting `first` would change the sum
        normal = self.bn1(both) + self.bn2(self.conv2(both) + first)
        return self.flatten(self.pool(self.relu(normal)))


def test_values_with_two_readers_stay_as_they_are(images):
    source = build("convnet", classes=2, seed=0)
    source.body, source.head = Branched(), nn.Linear(3, 2)
    with_other_statistics(source, seed=3).eval()
    start = images.clone().requires_grad_()
    found, expected = (
        torch.autograd.grad(model(start)[:, 0].sum(), start)[0]
        for model in (FoldedClassifier(source, torch.float32), source)
    )
    close(found, expected)
    with torch.no_grad():
        close(FoldedClassifier(source, torch.float32)(images), source(images))


def test_input_gradients_are_the_sources(source, images):
    source = copy.deepcopy(source).double()  # in float32 a ReLU near 0 may open in one and not in the other
    gradients = []
    for model in (FoldedClassifier(source, torch.float64), source):
        start = images[:2].double().requires_grad_()
        (gradient,) = torch.autograd.grad(model(start).softmax(1)[:, 0].sum(), start)
        gradients.append(gradient)
    assert gradients[1].abs().max() > 0
    close(*gradients, rel=1e-5)


def test_bfloat16_is_close(source, images):
    folded = FoldedClassifier(source, torch.bfloat16)
    with torch.no_grad():
        logits, expected = folded(images), source(images)
    assert logits.dtype == torch.float32
    close(logits, expected, rel=0.1)


def test_bfloat16_mostly_agrees_on_the_class(trained_looking):
    model = trained_looking("convnet")
    images = torch.rand(100, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        agree = FoldedClassifier(model, torch.bfloat16)(images).argmax(1) == model(images).argmax(1)
    assert agree.float().mean() >= 0.9


@pytest.mark.parametrize("arch", ["convnet", "wrn-10-2", "densenet"])
def test_refresh_follows_weights_and_statistics(arch, images):
    model = build(arch, classes=5, seed=1).eval()
    folded = FoldedClassifier(model, torch.float32)
    with torch.no_grad():
        before = folded(images)
        with_other_statistics(model, seed=3)
        expected = model(images)
        assert (before - expected).abs().max() > 0.1 * expected.abs().max()
        assert torch.equal(folded(images), before)  # until it is told
        folded.refresh()
        close(folded(images), expected)
        close(folded.embed(images), model.embed(images))


@pytest.mark.parametrize("arch", ["convnet", "wrn-10-2"])
def test_the_source_is_left_alone(arch, images):
    model = with_other_statistics(build(arch, classes=5, seed=1), seed=3).train()
    twin = copy.deepcopy(model)
    folded = FoldedClassifier(model, torch.float32)
    start = images.clone().requires_grad_()
    folded(start).sum().backward()
    folded.refresh()
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    expected = twin.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert not any(parameter.data_ptr() in own for parameter in folded.parameters())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_the_sources_training_flags_are_left_alone():
    model = build("convnet", classes=2, seed=0).train()
    FoldedClassifier(model, torch.float32)
    assert all(module.training for module in model.modules())


def test_a_source_in_training_mode_is_folded_as_in_evaluation(images):
    model = with_other_statistics(build("convnet", classes=5, seed=1), seed=3).train()
    folded = FoldedClassifier(model, torch.float32)
    with torch.no_grad():
        close(folded(images), model.eval()(images))


def test_the_global_generator_is_untouched():
    model, state = build("convnet", classes=2, seed=0), torch.get_rng_state()
    FoldedClassifier(model, torch.float32)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_it_does_not_know_is_refused():
    model = build("convnet", classes=2, seed=0)
    model.body = nn.Sequential(model.body, nn.LayerNorm(128))
    with pytest.raises(TypeError, match="cannot fold LayerNorm"):
        FoldedClassifier(model, torch.float32)


def test_an_affine_is_scale_and_shift_per_channel():
    affine = Affine(2)
    affine.scale.copy_(torch.tensor([2.0, 3.0]).view(1, 2, 1, 1))
    affine.shift.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
    assert affine(torch.ones(1, 2, 1, 1)).flatten().tolist() == [3.0, 2.0]


def test_the_fast_view_of_a_foreign_model_is_the_model_or_its_autocast(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    model(images)
    assert fast_view(model, torch.float32) is model
    for fast in (fast_view(model, torch.bfloat16), Autocast(model, torch.bfloat16)):
        with torch.no_grad():
            logits = fast(images)
            assert logits.dtype == torch.float32
            assert not torch.equal(logits, model(images))
            close(logits, model(images), rel=0.05)


@pytest.mark.parametrize("as_module", [True, False])
def test_what_cannot_work_in_half_precision_is_asked_in_full(images, as_module):
    asked = []

    def through_numpy(shown):
        asked.append(shown.shape)
        features = nn.functional.conv2d(shown, torch.ones(2, 3, 3, 3)).mean((2, 3))
        return torch.from_numpy(features.detach().numpy())  # NumPy knows no bfloat16

    class Model(nn.Module):
        forward = staticmethod(through_numpy)

    model = Model() if as_module else through_numpy
    fast = fast_view(model, torch.bfloat16)
    torch.testing.assert_close(fast(images), through_numpy(images))
    fast(images)
    assert len(asked) == 4  # half precision was tried once


def test_an_error_in_full_precision_stays_an_error(images):
    def broken(shown):
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        fast_view(broken, torch.bfloat16)(images)
