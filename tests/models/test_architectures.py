"""What every architecture must do; a new one is one row in `SMALL_ARCHITECTURES` of conftest.py."""

import copy

import pytest
import torch
from torch import fx, nn

from notbugs.errors import NotbugsError
from notbugs.models import ARCHITECTURES, ModelSpec, build


class Embedding(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model.embed(images)


def test_forward_is_head_of_embedding(arch, trained_looking, images):
    assert arch.removesuffix("-16") in ARCHITECTURES
    model = trained_looking(arch)
    with torch.no_grad():
        embeddings, logits = model.embed(images), model(images)
    assert logits.shape == (4, 5)
    assert embeddings.shape == (4, model.head.in_features)
    assert embeddings.min() >= 0  # after the last ReLU
    assert embeddings.std() > 0
    torch.testing.assert_close(model.head(embeddings), logits)


def test_a_row_does_not_depend_on_its_batch(arch, trained_looking, images):
    model = trained_looking(arch)
    with torch.no_grad():
        torch.testing.assert_close(model(images[1:2]), model(images)[1:2], rtol=1e-4, atol=1e-4)


def test_fx_traces_forward_and_embed(arch, trained_looking, images):
    model = trained_looking(arch)
    with torch.no_grad():
        torch.testing.assert_close(fx.symbolic_trace(model)(images), model(images))
        torch.testing.assert_close(fx.symbolic_trace(Embedding(model))(images), model.embed(images))
        body = fx.symbolic_trace(model.body)
        torch.testing.assert_close(body(model.normalize(images)), model.embed(images))


def test_other_precisions_and_memory_orders_agree(arch, trained_looking, images):
    model = trained_looking(arch)
    with torch.no_grad():
        logits = model(images)
        double = copy.deepcopy(model).double()
        assert double(images.double()).dtype == torch.float64
        torch.testing.assert_close(double(images.double()).float(), logits, rtol=1e-3, atol=1e-3)
        assert double(images).dtype == torch.float64  # float32 images are promoted
        last = images.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(last), logits, rtol=1e-4, atol=1e-4)
        scale = logits.abs().max()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert (model(images).float() - logits).abs().max() < 0.1 * scale
        half = copy.deepcopy(model).bfloat16()
        assert half(images).dtype == torch.bfloat16
        assert (half(images).float() - logits).abs().max() < 0.2 * scale


def test_gradients_reach_images_and_every_weight(arch, images):
    model = build(arch, classes=5, seed=0)
    start = images.clone().requires_grad_()
    model(start).square().sum().backward()
    assert start.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_convolutions_have_no_bias_and_are_channels_last(arch, trained_looking):
    convolutions = [part for part in trained_looking(arch).modules() if isinstance(part, nn.Conv2d)]
    assert convolutions
    for convolution in convolutions:
        assert convolution.bias is None
        assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("arch", ["convnet", "wrn-10-2", "resnet18"])
def test_a_seed_decides_the_weights_and_the_global_generator_is_untouched(arch):
    before = torch.get_rng_state()
    first, again, other = (build(arch, classes=3, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if first[name].dim() > 1 and not name.startswith("normalize")]
    assert not any(torch.equal(first[name], other[name]) for name in weights)


def test_the_body_does_not_depend_on_the_number_of_classes():
    few, many = (build("convnet", classes=classes, seed=0).body.state_dict() for classes in (2, 10))
    assert all(torch.equal(few[name], many[name]) for name in few)


@pytest.mark.parametrize("arch", ["convnet", "resnet18", "densenet", "inception"])
def test_large_and_grey_images(arch):
    model = build(arch, classes=3, image_size=96, channels=1, seed=0).eval()
    with torch.no_grad():
        assert model(torch.rand(2, 1, 96, 96)).shape == (2, 3)


def test_resnets_have_torchvision_names():
    names = set(build("resnet50", classes=10, image_size=224, seed=0).body.state_dict())
    expected = ["conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "layer3.5.conv3.weight"]
    assert names.issuperset([*expected, "layer4.2.bn3.num_batches_tracked"])
    assert len(names) == 318  # torchvision's 320 without fc
    assert len(build("resnet18", classes=10, image_size=224, seed=0).body.state_dict()) == 120


def test_published_sizes():
    def millions(arch):
        return round(sum(weight.numel() for weight in build(arch, classes=10, seed=0).parameters()) / 1e6, 2)

    assert millions("wrn-16-2") == 0.69  # Zagoruyko & Komodakis: 0.7
    assert millions("densenet") == 0.77  # Huang et al.: 0.8
    assert millions("inception") == 1.65  # Zhang et al.: 1 649 402
    assert millions("resnet18") == 11.17


def test_widths_of_the_convnet_are_in_its_name():
    assert build("convnet-16-32-48-64", classes=2, seed=0).head.in_features == 64


def test_normalisation_is_inside_and_follows_the_spec():
    spec = ModelSpec(arch="convnet", classes=2, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    normalised = build(spec, seed=0).normalize(torch.full((1, 3, 2, 2), 0.5))
    torch.testing.assert_close(normalised[0, :, 0, 0], torch.tensor([0.4, 0.15, 0.05]))


@pytest.mark.parametrize(
    "arch, message",
    [
        ("resnet81", "did you mean 'resnet18'"),
        ("wrn-15-2", r"wrn-15-2: the depth must be 10, 16, 22, 28"),
        ("wrn-4-2", "the depth must be"),
        ("wrn-10-0", "the width 1 or more"),
        ("", "unknown architecture"),
    ],
)
def test_a_wrong_name_says_what_is_right(arch, message):
    with pytest.raises(NotbugsError, match=message) as caught:
        build(arch, classes=2, seed=0)
    assert "\n" not in str(caught.value)


def test_wrong_numbers():
    with pytest.raises(NotbugsError, match="at least 2 classes"):
        build("convnet", classes=1, seed=0)
    with pytest.raises(NotbugsError, match="give the number of classes"):
        build("convnet", seed=0)
    with pytest.raises(NotbugsError, match="the spec says 2 classes, the call 3"):
        build(ModelSpec(arch="convnet", classes=2), classes=3, seed=0)
    with pytest.raises(NotbugsError, match="vgg16 needs images of at least 32"):
        build("vgg16", classes=2, image_size=16, seed=0)
    with pytest.raises(NotbugsError, match="must be positive"):
        build("convnet", classes=2, image_size=0, seed=0)
    with pytest.raises(NotbugsError, match="mean has 3 values for 1 channels"):
        ModelSpec(arch="convnet", classes=2, channels=1)
    with pytest.raises(NotbugsError, match="std must be positive"):
        ModelSpec(arch="convnet", classes=2, std=(0.25, 0.0, 0.25))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"arch": "convnet"}',
        '{"arch": "convnet", "classes": "ten"}',
        '{"arch": 1, "classes": 2}',
        '{"arch": "convnet", "classes": 2, "colour": 1}',
        '{"arch": "convnet", "classes": 2, "mean": 3}',
        '{"arch": "convnet", "classes": 2, "mean": [NaN, 0, 0]}',
        '{"arch": "convnet", "classes": 2.5}',
    ],
)
def test_a_spec_from_strange_json_is_one_clear_error(text):
    with pytest.raises(NotbugsError) as caught:
        ModelSpec.from_json(text)
    assert "\n" not in str(caught.value)


def test_spec_round_trip():
    spec = ModelSpec(arch="wrn-16-2", classes=7, image_size=64, channels=1, mean=(0.25,), std=(0.5,))
    assert ModelSpec.from_json(spec.to_json()) == spec == ModelSpec.from_dict(spec.to_dict())
    assert hash(spec) == hash(ModelSpec.from_json(spec.to_json()))


def test_grey_images_are_not_spread_over_three_channels(images):
    with pytest.raises(NotbugsError, match="takes 3 channels, the images have 1"):
        build("convnet", classes=2, seed=0)(images[:, :1])
