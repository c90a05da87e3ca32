"""Features of networks that were not built here."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from notbugs.errors import NotbugsError
from notbugs.models import build, wrap

SHAPE = (3, 8, 8)


def images(seed=0, batch=4):
    return torch.rand((batch, *SHAPE), generator=torch.Generator().manual_seed(seed))


class FunctionalPooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.classify = nn.Linear(6, 4)

    def forward(self, batch):
        return self.classify(F.relu(self.conv(batch), inplace=True).mean((2, 3)))


class AuxiliaryHeads(nn.Module):
    """The auxiliary head is called last and registered last, and is as wide as the logits."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.main = nn.Linear(6, 4)
        self.auxiliary = nn.Linear(6, 4)
        self.seen = None

    def forward(self, batch):
        features = self.conv(batch).mean((2, 3))
        logits = self.main(features)
        self.seen = self.auxiliary(features)
        return logits


class FunctionalHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(192, 5)
        self.weight = nn.Parameter(torch.rand(4, 5))

    def forward(self, batch):
        return F.linear(self.hidden(batch.flatten(1)), self.weight)


NETWORKS = {
    "sequential": (nn.Sequential(nn.Flatten(), nn.Linear(192, 7), nn.ReLU(), nn.Linear(7, 4)), "3", 7),
    "functional pooling": (FunctionalPooling(), "classify", 6),
    "auxiliary heads": (AuxiliaryHeads(), "main", 6),
    "1x1 head": (
        nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        "2",
        5,
    ),
    "dropout after": (nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Dropout()), "1", 192),
    "float64": (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).double(), "1", 192),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_tap_is_what_the_last_linear_layer_reads(name):
    model, tap, features = NETWORKS[name]
    keys, modes = list(model.state_dict()), [module.training for module in model.modules()]
    tapped = wrap(model, image_shape=SHAPE, classes=4)
    assert tapped.tap == tap
    batch = images().to(next(model.parameters()).dtype)
    embeddings = tapped.eval().embed(batch)
    assert embeddings.shape == (4, features)
    head = model.get_submodule(tap)
    matrix = head.weight.flatten(1)
    torch.testing.assert_close(embeddings @ matrix.T + head.bias, tapped(batch))
    assert list(model.state_dict()) == keys
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    model.train()
    assert [module.training for module in model.modules()] == modes


def test_our_own_networks_agree_with_their_embed():
    model = build("convnet", classes=4, seed=0).eval()
    batch = torch.rand(2, 3, 32, 32)
    tapped = wrap(model, image_shape=(3, 32, 32))
    assert tapped.tap == "head"
    torch.testing.assert_close(tapped.embed(batch), model.embed(batch))


def test_gradients_flow_to_the_images():
    tapped = wrap(FunctionalPooling(), image_shape=SHAPE)
    batch = images().requires_grad_()
    tapped.embed(batch).sum().backward()
    assert batch.grad.abs().sum() > 0


def test_an_explicit_tap_is_read_before_an_in_place_relu_changes_it():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(216, 4))
    batch = images()
    features = wrap(model, image_shape=SHAPE, tap="0").embed(batch)
    torch.testing.assert_close(features, model[0](batch).mean((2, 3)))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.ReLU(inplace=True), nn.Linear(5, 4))
    features = wrap(flat, image_shape=SHAPE, tap="1").embed(batch)
    assert features.min() < 0


def test_hooks_are_gone_after_a_failure():
    model = FunctionalPooling()
    tapped = wrap(model, image_shape=SHAPE)
    with pytest.raises(RuntimeError):
        tapped.embed(torch.rand(2, 5, 8, 8))
    assert not model.classify._forward_pre_hooks


def test_threads_get_their_own_features():
    tapped = wrap(FunctionalPooling(), image_shape=SHAPE)
    batches = [images(seed) for seed in range(8)]
    expected = [tapped.embed(batch) for batch in batches]
    found = {}

    def work(index):
        for _ in range(10):
            tapped(batches[index])
            found[index] = tapped.embed(batches[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(8):
        torch.testing.assert_close(found[index], expected[index])


class Returns(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.unused = nn.Linear(2, 2)

    def forward(self, batch):
        return self.function(batch)


@pytest.mark.parametrize(
    "model, options, message",
    [
        (FunctionalHead(), {}, r"no linear layer of FunctionalHead makes its logits.*modules: hidden"),
        (FunctionalHead(), {"tap": "hiden"}, "unknown module 'hiden'; did you mean 'hidden'"),
        (FunctionalPooling(), {"classes": 10}, "4 logits, the data 10 classes"),
        (Returns(lambda batch: (batch, batch)), {}, "returns a tuple, expected one tensor"),
        (Returns(lambda batch: batch), {}, r"returns shape \(2, 3, 8, 8\), expected \(batch, classes\)"),
        (Returns(lambda batch: batch.flatten(1)), {"tap": "unused"}, "'unused' was not reached"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), {}, r"refuses images of shape \(2, 3, 8, 8\)"),
    ],
)
def test_what_cannot_be_tapped_says_why(model, options, message):
    with pytest.raises(NotbugsError, match=message) as caught:
        wrap(model, image_shape=SHAPE, **options)
    assert "\n" not in str(caught.value)
    assert all(not module._forward_hooks for module in model.modules())


def test_a_functional_head_can_be_tapped_by_name():
    model = FunctionalHead()
    batch = images()
    torch.testing.assert_close(
        wrap(model, image_shape=SHAPE, tap="hidden").embed(batch), model.hidden(batch.flatten(1))
    )
