"""What a training step changes: taken, put back, averaged."""

import pytest
import torch
from torch import nn

from notbugs.errors import NotbugsError
from notbugs.training.state import averaged, follow, is_finite, load_training_state, snapshot, training_state


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def floats(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def stepped(model, optimizer):
    model(torch.ones(2, 1, 2, 2) * torch.arange(2.0).view(2, 1, 1, 1)).square().sum().backward()
    optimizer.step()
    return model


def test_the_moving_average_is_the_one_computed_by_hand():
    model = nn.Linear(1, 1, bias=False)
    average = {"weight": torch.tensor([[0.0]])}
    by_hand = 0.0
    for updates, weight in enumerate([1.0, 2.0, -3.0, 5.0] * 20):
        with torch.no_grad():
            model.weight.fill_(weight)
        follow(average, model, decay=0.8, updates=updates)
        decay = min(0.8, (1 + updates) / (10 + updates))  # the first keeps a tenth of what it was
        by_hand = decay * by_hand + (1 - decay) * weight
        assert average["weight"].item() == pytest.approx(by_hand, rel=1e-5)


def test_an_average_of_what_does_not_move_does_not_move():
    model = network()
    average = floats(model)
    for updates in range(5):
        follow(average, model, decay=0.99, updates=updates)
    assert all(torch.allclose(tensor, average[name]) for name, tensor in floats(model).items())


def test_inside_the_block_the_model_has_its_averaged_weights_and_afterwards_its_own():
    model = network()
    own, average = floats(model), {name: tensor + 1 for name, tensor in floats(model).items()}
    with averaged(model, average):
        assert all(torch.equal(tensor, average[name]) for name, tensor in floats(model).items())
    assert all(torch.equal(tensor, own[name]) for name, tensor in floats(model).items())
    with pytest.raises(KeyError), averaged(model, average):
        raise KeyError
    assert all(torch.equal(tensor, own[name]) for name, tensor in floats(model).items())


def test_a_state_put_back_gives_the_same_next_step():
    torch_seeded = torch.Generator().manual_seed(0)
    models = [network(), network()]
    with torch.no_grad():
        for parameter in models[0].parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch_seeded))
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True) for model in models
    ]
    stepped(models[0], optimizers[0])
    kept = snapshot(training_state(models[0], optimizers[0], {}))
    assert {name.split(".")[0] for name in kept} == {"model", "momentum"}
    optimizers[0].zero_grad()
    load_training_state(kept, models[1], optimizers[1], {})
    for model, optimizer in zip(models, optimizers, strict=True):
        stepped(model, optimizer)
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_snapshot_does_not_follow():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    kept = snapshot(training_state(model, optimizer, {}))
    stepped(model, optimizer)
    assert not torch.equal(kept["model.0.weight"], model[0].weight)


def test_a_state_of_another_network_is_refused():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(NotbugsError, match="belongs to another architecture"):
        load_training_state({"model.other": torch.zeros(1)}, model, optimizer, {})


@pytest.mark.parametrize("value, finite", [(1.0, True), (float("nan"), False), (float("inf"), False)])
def test_finite_is_every_value(value, finite):
    assert (
        is_finite({"a": torch.ones(2), "b": torch.tensor([0.0, value]), "count": torch.tensor(3)}) == finite
    )
