"""Tiny data that a tiny network learns in a second."""

from collections.abc import Iterator

import pytest
import torch

from notbugs.data.labeled import LabeledImages, Origin
from notbugs.models import build
from notbugs.seeds import generator

ARCH = "convnet-8-8-16-16"


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stripes(count: int, seed: int) -> LabeledImages:
    """Noise with upright stripes (0) or lying ones (1)."""
    draw = generator(seed, "stripes")
    labels = torch.randint(2, (count,), generator=draw)
    wave = 0.25 * (torch.arange(12) % 2 * 2 - 1).float()
    pattern = torch.where(labels.view(-1, 1, 1) == 0, wave[None, None, :], wave[None, :, None])
    noise = 0.3 * torch.rand(count, 3, 12, 12, generator=draw)
    return LabeledImages(
        images=(0.35 + noise + pattern[:, None]).clamp(0, 1),
        labels=labels,
        class_names=("upright", "lying"),
        origin=Origin(name="stripes"),
    )


@pytest.fixture(scope="package")
def data() -> LabeledImages:
    return stripes(96, seed=0)


@pytest.fixture
def model():
    return build(ARCH, classes=2, image_size=12, seed=0)
