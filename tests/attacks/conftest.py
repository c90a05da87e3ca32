"""Models whose attacks are known, and the table of attacks."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from notbugs.seeds import generator


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Curved(nn.Module):
    """A small smooth network with every kind of state that an attack might disturb."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8 * 16, classes)
        draw = generator(0, "curved")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.conv(images)).tanh()).flatten(1))


@pytest.fixture
def curved() -> nn.Module:
    """In evaluation mode."""
    return Curved().eval()


@pytest.fixture(scope="package")
def images() -> torch.Tensor:
    """Ten images; the first has all its pixels at the ends of the box."""
    made = torch.rand(10, 3, 6, 6, generator=generator(0, "images"))
    made[0] = made[0].round()
    return made
