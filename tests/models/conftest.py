"""Small fixtures: every architecture once, and images to show it."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
import torch
from torch import Tensor

from notbugs.models import ImageClassifier, build

SMALL_ARCHITECTURES = (
    "convnet",
    "resnet9-16",
    "resnet18-16",
    "resnet50-16",
    "wrn-10-2",
    "vgg16-16",
    "densenet",
    "inception",
)


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=SMALL_ARCHITECTURES)
def arch(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="package")
def images() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="package")
def trained_looking(images: Tensor) -> Callable[[str], ImageClassifier]:
    """A model whose BatchNorms have seen images, in evaluation mode. Shared: do not change it."""

    @cache
    def model(arch: str) -> ImageClassifier:
        result = build(arch, classes=5, seed=1)
        with torch.no_grad():
            result(images)
        return result.eval()

    return model
