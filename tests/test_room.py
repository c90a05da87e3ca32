"""Memory that runs out costs time and changes nothing."""

import logging

import pytest
import torch
from torch import nn

from notbugs import room
from notbugs.attacks import APGD, PGD, EmbeddingMatch, embedding_of, projected_ascent
from notbugs.data import LabeledImages, load
from notbugs.models import ImageClassifier, build
from notbugs.room import Room, is_out_of_memory
from notbugs.threats import L2


class Small(nn.Module):
    """A machine on which so many images at once are too many, with all that a gradient needs of them."""

    def __init__(self, model: ImageClassifier, most: int) -> None:
        super().__init__()
        self.model, self.most, self.seen = model, most, []

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        self._allocate(images)
        return self.model.embed(images)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self._allocate(images)
        return self.model(images)

    def _allocate(self, images: torch.Tensor) -> None:
        if not images.requires_grad:
            return
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        self.seen.append(len(images))


@pytest.fixture(scope="module")
def data() -> LabeledImages:
    return load("digits").first(40)


@pytest.fixture(scope="module")
def model() -> ImageClassifier:
    return build("convnet-8-8-8-8", classes=10, seed=0).eval()


ATTACKS = [
    PGD(threat=L2(0.5), steps=3, step_size=0.2),
    PGD(threat=L2(0.5), steps=3, step_size=0.2, stop_when_fooled=True, restarts=2),
    APGD(threat=L2(0.5), steps=5),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=["pgd", "stopping", "apgd"])
@pytest.mark.parametrize("most", [39, 7, 1])
def test_an_attack_finds_the_same_with_room_for_few(attack, most, data, model) -> None:
    small = Small(model, most)
    whole, parts = (
        attack(one, data.images, data.labels, generator=torch.Generator().manual_seed(0)) for one in (model, small)
    )  # fmt: skip
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    assert max(small.seen) <= most


def test_features_are_matched_the_same(data, model) -> None:
    small, targets = Small(model, 11), model.embed(data.images).detach()

    def matched(one: nn.Module) -> torch.Tensor:
        objective = EmbeddingMatch(embedding_of(one), targets)
        ball, start = L2(100), data.images.flip(0)
        return projected_ascent(objective, start, threat=ball, centers=data.images, steps=4, step_size=0.5)

    whole, parts = matched(model), matched(small)
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    assert max(small.seen) == 10  # 40, 20, 10


def test_it_is_said_once(data, model, caplog) -> None:
    small = Small(model, 9)
    room._say.cache_clear()
    with caplog.at_level(logging.WARNING, logger="notbugs"):
        for _ in range(2):
            ATTACKS[0](small, data.images[:37], data.labels[:37], generator=torch.Generator().manual_seed(0))
    assert caplog.messages == [
        "out of memory with 37 images at once: 19 at a time",
        "out of memory with 19 images at once: 10 at a time",
        "out of memory with 10 images at once: 5 at a time",
    ]


def test_what_does_not_fit_at_all_ends_it(data, model) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        ATTACKS[0](Small(model, 0), data.images, data.labels, generator=torch.Generator().manual_seed(0))


def test_other_errors_are_not_tried_again() -> None:
    tried = []

    def work(rows: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        tried.append(rows)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Room(8).over(work, 8)
    assert tried == [None]


def test_what_memory_errors_look_like() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    for said in ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED", "MPS backend out of memory (allocated: 8 GB)"):
        assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("else"))
