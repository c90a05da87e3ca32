"""Weights survive the disk bit by bit, and a bad file is one clear line."""

import json
import struct

import pytest
import safetensors.torch
import torch
from torch import nn

from notbugs.errors import NotbugsError
from notbugs.models import ModelSpec, build, load_model, load_state, model_digest, save_model

SPEC_KEY = "notbugs.spec"


@pytest.fixture(scope="module")
def model():
    return build("convnet", classes=3, seed=0)


def test_round_trip(arch, trained_looking, images, tmp_path):
    original = trained_looking(arch)
    save_model(original, tmp_path / "a.safetensors")
    loaded = load_model(tmp_path / "a.safetensors")
    save_model(loaded, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert loaded.spec == original.spec
    assert model_digest(loaded) == model_digest(original)
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    convolution = next(part for part in loaded.modules() if isinstance(part, nn.Conv2d))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(images), original(images))


def test_the_file_is_public_and_alone(model, tmp_path):
    path = tmp_path / "deep" / "model.safetensors"
    save_model(model, path)
    save_model(model, path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["model.safetensors"]


def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(NotbugsError, match="disk full; free space"):
        save_model(build("convnet", classes=4, seed=0), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_tied_weights_can_be_saved(tmp_path):
    tied = build("convnet-16-16-16-16", classes=2, seed=0)
    tied.body.layers[2].conv.weight = tied.body.layers[1].conv.weight
    save_model(tied, tmp_path / "tied.safetensors")
    assert model_digest(load_model(tmp_path / "tied.safetensors")) == model_digest(tied)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_keep_their_bits(dtype, tmp_path):
    original = build("convnet", classes=2, seed=0).to(dtype)
    save_model(original, tmp_path / "model.safetensors")
    assert model_digest(load_model(tmp_path / "model.safetensors")) == model_digest(original)


def test_the_digest_sees_values_only(model):
    again = build("convnet", classes=3, seed=0).to(memory_format=torch.contiguous_format).eval()
    assert model_digest(again) == model_digest(model)
    assert model_digest(build("convnet", classes=3, seed=1)) != model_digest(model)
    with torch.no_grad():
        again.head.bias[0] += 1e-6
    assert model_digest(again) != model_digest(model)


def saved(path, state, **metadata):
    safetensors.torch.save_file(
        {name: value.contiguous() for name, value in state.items()}, path, metadata or None
    )
    return path


def spec_of(model, **changes):
    return {SPEC_KEY: json.dumps(model.spec.to_dict() | changes)}


@pytest.mark.parametrize("number, name", [(float("nan"), "NaN"), (float("-inf"), "infinity")])
def test_a_diverged_model_is_neither_written_nor_read(number, name, tmp_path):
    bad = build("convnet", classes=2, seed=0)
    with torch.no_grad():
        bad.body.layers[1].conv.weight[0, 0, 0, 0] = number
    message = rf"weights contain {name} in layer body.layers.1.conv \(weight\)"
    with pytest.raises(NotbugsError, match=message):
        save_model(bad, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
    path = saved(tmp_path / "bad.safetensors", bad.state_dict(), **spec_of(bad))
    with pytest.raises(NotbugsError, match=message):
        load_model(path)


def test_a_state_that_does_not_fit_names_its_keys(model, tmp_path):
    state = model.state_dict()
    state["body.extra"] = torch.zeros(1)
    state["head.weight"] = torch.zeros(3, 7)
    state["body.layers.0.bn.num_batches_tracked"] = torch.tensor(0.5)
    del state["head.bias"]
    path = saved(tmp_path / "odd.safetensors", state, **spec_of(model))
    with pytest.raises(NotbugsError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("missing: head.bias", "unexpected: body.extra", "head.weight ([3, 7], expected [3, 128])"):
        assert part in message
    assert "another kind: body.layers.0.bn.num_batches_tracked" in message


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"arch": "convnett"}, "did you mean 'convnet'"),
        ({"arch": "wrn-11-2"}, "the depth must be"),
        ({"classes": 10**6}, "another shape"),
        ({"classes": 10**30}, "classes must be positive and at most"),
        ({"arch": "convnet-99999-99999-99999-99999"}, "another shape"),
        ({"classes": "many"}, "integers"),
        ({"evil": 1}, "unknown fields"),
    ],
)
def test_a_spec_that_lies_is_found_out_before_memory_is_taken(changes, message, model, tmp_path):
    path = saved(tmp_path / "lie.safetensors", model.state_dict(), **spec_of(model, **changes))
    with pytest.raises(NotbugsError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def hostile_files(whole):
    yield "empty", b""
    yield "short", b"\x01\x02"
    yield "truncated", whole[: len(whole) // 2]
    yield "one byte less", whole[:-1]
    yield "text", b"these are not weights\n" * 100
    yield "huge header", struct.pack("<Q", 2**60) + whole[8:]
    yield "no json", struct.pack("<Q", 16) + b"\xff" * 64


def test_hostile_files(model, tmp_path):
    save_model(model, tmp_path / "whole.safetensors")
    for name, content in hostile_files((tmp_path / "whole.safetensors").read_bytes()):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        for load in (load_model, load_state):
            with pytest.raises(NotbugsError, match="not a complete safetensors file") as caught:
                load(path)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl"])
def test_what_could_run_code_is_refused_with_the_way_out(suffix, tmp_path):
    torch.save({"weight": torch.ones(1)}, tmp_path / f"model{suffix}")
    with pytest.raises(NotbugsError, match="save its weights as safetensors"):
        load_model(tmp_path / f"model{suffix}")


def test_no_file_and_no_spec(model, tmp_path):
    for path in (tmp_path, tmp_path / "nothing.safetensors", tmp_path / "nothing.pt"):
        with pytest.raises(NotbugsError, match="no weights at"):
            load_state(path)
    with pytest.raises(NotbugsError, match="says no architecture"):
        load_model(saved(tmp_path / "bare.safetensors", model.state_dict()))


@pytest.mark.parametrize(
    "nest", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_users_checkpoint(nest, prefix, model, tmp_path):
    state = {prefix + name: value for name, value in model.state_dict().items()}
    torch.save(nest(state), tmp_path / "model.pt")
    loaded = load_state(tmp_path / "model.pt")
    fresh = build(ModelSpec(arch="convnet", classes=3), seed=5)
    fresh.load_state_dict(loaded)
    assert model_digest(fresh) == model_digest(model)


class Payload:
    ran = False

    def __reduce__(self):
        return (exec, ("import tests_payload_marker",))


@pytest.mark.parametrize(
    "content, message",
    [
        (Payload(), "a pickle is not loaded; re-save as safetensors"),
        ([1, 2], "holds a list, expected weights by name"),
        ({}, "expected weights by name"),
        ({"epoch": 3}, "found epoch"),
        ({"weight": torch.tensor([float("nan")])}, "weights contain NaN"),
    ],
)
def test_a_checkpoint_with_more_than_weights(content, message, tmp_path):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(NotbugsError, match=message) as caught:
        load_state(tmp_path / "model.pth")
    assert "\n" not in str(caught.value)


def test_a_whole_pickled_module_and_noise(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    (tmp_path / "noise.pt").write_bytes(b"\x80\x04noise")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("module.pt", "noise.pt", "empty.pt"):
        with pytest.raises(NotbugsError, match="a pickle is not loaded"):
            load_state(tmp_path / name)
