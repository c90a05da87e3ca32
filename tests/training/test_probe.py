"""Linear probes: the minimum of a convex problem, a classifier of the same kind, the network untouched."""

import pytest
import torch
from torch.nn import functional

from notbugs.data.labeled import LabeledImages
from notbugs.models import build, load_model, save_model
from notbugs.training import probe

ARCH = "convnet-8-8-16-16"


def logits_of(model, data):
    with torch.no_grad():
        return model(data.images)


def test_it_reads_what_is_there_and_leaves_the_network(data: LabeledImages, tmp_path) -> None:
    model = build(ARCH, classes=5, image_size=12, seed=0).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    read = probe(model, data)
    assert read.spec.classes == 2
    assert (logits_of(read, data).argmax(1) == data.labels).float().mean() > 0.95
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for name, tensor in read.body.state_dict().items():
        assert torch.equal(tensor, before[f"body.{name}"])
    save_model(read, tmp_path / "m.safetensors")
    assert torch.equal(logits_of(load_model(tmp_path / "m.safetensors"), data), logits_of(read, data))


def test_no_small_change_of_its_weights_is_better(data: LabeledImages) -> None:
    model = build("linear", classes=2, image_size=12, seed=0).eval()
    read = probe(model, data, decay=0.05)
    with torch.no_grad():
        features = model.embed(data.images).double()
    scale, middle = features.std(0), features.mean(0)

    def loss(weights, bias):
        decay = 0.05 / 2 * (weights * scale).square().sum()
        return functional.cross_entropy(features @ weights.T + bias, data.labels) + decay

    weights, bias = read.head.weight.detach().double(), read.head.bias.detach().double()
    best, draw = float(loss(weights, bias)), torch.Generator().manual_seed(0)
    for _ in range(20):
        aside = 1e-3 * torch.randn(weights.shape, generator=draw, dtype=torch.float64) / scale
        assert loss(weights + aside, bias) > best - 1e-9
    assert middle.isfinite().all()


def test_off_the_logits_it_is_linear_in_them(data: LabeledImages) -> None:
    model = build(ARCH, classes=2, image_size=12, seed=3).eval()
    read = probe(model, data, layer="logits")
    given, said = logits_of(model, data).double(), logits_of(read, data).double()
    basis = torch.cat([given, torch.ones(len(given), 1, dtype=torch.float64)], 1)
    fitted = basis @ torch.linalg.lstsq(basis, said).solution
    torch.testing.assert_close(fitted, said, rtol=1e-3, atol=1e-3)


def test_features_that_never_vary_do_no_harm(data: LabeledImages) -> None:
    model = build("linear", classes=2, image_size=12, seed=0).eval()
    dark = LabeledImages(
        images=torch.cat([data.images[:, :1], torch.zeros_like(data.images[:, 1:])], 1),
        labels=data.labels,
        class_names=data.class_names,
    )
    read = probe(model, dark)
    assert all(tensor.isfinite().all() for tensor in read.state_dict().values())
    assert (logits_of(read, dark).argmax(1) == dark.labels).float().mean() > 0.9


def test_the_same_every_time(data: LabeledImages) -> None:
    model = build(ARCH, classes=2, image_size=12, seed=0).eval()
    first, second = (probe(model, data).head.weight for _ in range(2))
    assert torch.equal(first, second)


def test_iterations_must_be_positive(data: LabeledImages) -> None:
    with pytest.raises(Exception, match="iterations must be positive"):
        probe(build(ARCH, classes=2, image_size=12, seed=0), data, iterations=0)


def test_what_the_labels_never_moved_is_not_read(data: LabeledImages) -> None:
    """The mean of the logits is as the initial weights made it: another one changes nothing."""
    model = build(ARCH, classes=2, image_size=12, seed=3).eval()
    moved = build(ARCH, classes=2, image_size=12, seed=3).eval()
    with torch.no_grad():
        moved.head.weight += torch.randn(16, generator=torch.Generator().manual_seed(0))
    first, second = (logits_of(probe(one, data, layer="logits"), data) for one in (model, moved))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)
