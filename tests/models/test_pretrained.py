"""Networks of other libraries: with a small package in torchvision's place, and its weights in a file."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.models import pretrained

STAND_IN = """
from types import SimpleNamespace
from torch import nn

def get_model(name, weights):
    assert weights is None
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))

def get_model_weights(name):
    if name != "tiny":
        raise ValueError(f"Unknown model {name}")
    how = SimpleNamespace(mean=[0.5, 0.4, 0.3], std=[0.2, 0.1, 0.4])
    return SimpleNamespace(DEFAULT=SimpleNamespace(url=URL, transforms=lambda: how))
"""


class Trap:
    """Unpickling it makes a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A torchvision that offers one network; returns what puts its weights in their file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)

    def offer(content):
        torch.save(content, tmp_path / "weights")
        digest = hashlib.sha256((tmp_path / "weights").read_bytes()).hexdigest()[:8]
        file = (tmp_path / "weights").rename(tmp_path / f"tiny-{digest}.pth")
        package = tmp_path / "packages" / "torchvision"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("from torchvision import models\n")
        (package / "models.py").write_text(f"URL = {file.as_uri()!r}\n{STAND_IN}")
        monkeypatch.syspath_prepend(package.parent)

    yield offer
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)


def test_images_between_0_and_1_are_normalised_as_the_library_would(offered):
    weight, bias = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(5)
    offered({"2.weight": weight, "2.bias": bias})
    model = pretrained("torchvision", "tiny")
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    means = (images.mean((2, 3)) - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.1, 0.4])
    assert torch.allclose(model(images), means @ weight.T, atol=1e-5)
    assert not model.training


def test_no_object_is_unpickled(offered, tmp_path):
    offered({"2.weight": Trap(tmp_path / "sprung")})
    with pytest.raises(NotbugsError, match="torchvision:tiny: "):
        pretrained("torchvision", "tiny")
    assert not (tmp_path / "sprung").exists()


def test_what_is_not_there_is_named(offered, monkeypatch):
    offered({})
    with pytest.raises(NotbugsError, match="torchvision:huge: Unknown model huge"):
        pretrained("torchvision", "huge")
    with pytest.raises(NotbugsError, match="keras"):
        pretrained("keras", "tiny")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(NotbugsError, match=r"timm:tiny needs timm, and its import failed .*fits torch"):
        pretrained("timm", "tiny")
