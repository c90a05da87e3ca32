"""`frozen` gives back exactly what it was given."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from notbugs.models import build, frozen


def flags(model):
    modes = {name: module.training for name, module in model.named_modules()}
    return modes, {name: parameter.requires_grad for name, parameter in model.named_parameters()}


@settings(max_examples=30, deadline=None)
@given(
    modes=st.lists(st.booleans(), min_size=4, max_size=4),
    trainable=st.lists(st.booleans(), min_size=4, max_size=4),
    fails=st.booleans(),
    nested=st.booleans(),
)
def test_flags_are_restored_one_by_one(modes, trainable, fails, nested):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    for parameter, wanted in zip(model.parameters(), trainable, strict=True):
        parameter.requires_grad_(wanted)
        parameter.grad = torch.ones_like(parameter)
    before, grads = flags(model), [parameter.grad for parameter in model.parameters()]
    try:
        with frozen(model):
            assert not any(flags(model)[0].values())
            assert not any(flags(model)[1].values())
            if nested:
                with frozen(model):
                    pass
                assert not any(flags(model)[1].values())
            model.train()  # what a careless caller does inside is undone too
            model.requires_grad_(True)
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert flags(model) == before
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))


def test_input_gradients_flow_and_statistics_stay():
    model = build("convnet", classes=2, seed=0)
    statistics = model.body.layers[0].bn.running_mean.clone()
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    with frozen(model):
        model(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(model.body.layers[0].bn.running_mean, statistics)


def test_a_module_that_overrides_train_stays_as_it_was():
    class AlwaysEval(nn.BatchNorm2d):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(AlwaysEval(3), nn.ReLU())
    model[0].training = True
    with frozen(model):
        assert not model[0].training
    assert model[0].training


def test_a_function_is_left_alone():
    with frozen(lambda images: images), pytest.raises(ZeroDivisionError), frozen(torch.sum):
        raise ZeroDivisionError
