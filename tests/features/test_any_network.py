"""A network that is not of this package: relabelled sets from it as it is, matched ones once it is wrapped."""

import pytest
import torch
from torch import nn

from notbugs.attacks import PGD
from notbugs.data import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.features import nonrobust_dataset, robust_dataset
from notbugs.models import model_digest, wrap
from notbugs.threats import L2


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 15 * 15, 10),
        )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_wrapped_network_makes_both_kinds(network: nn.Module, data: LabeledImages, precision: str) -> None:
    before, part = model_digest(network), data.first(20)
    wrapped = wrap(network, image_shape=(3, 32, 32))
    matched = robust_dataset(
        wrapped, part, kind="nonrobust", steps=20, step_size=0.2, seed=0, precision=precision
    )
    assert (matched.columns["residual"] < 0.7 * matched.columns["start_residual"]).all()
    assert matched.origin.name == "nonrobust of planted"
    push = PGD(threat=L2(1.0), steps=10, step_size=0.25, targeted=True)
    relabelled = nonrobust_dataset(wrapped, part, attack=push, targets="next", seed=0, precision=precision)
    assert relabelled.columns["fooled"].double().mean() > 0.8
    assert model_digest(network) == before
    assert network.training


def test_without_an_embedding_the_way_to_one_is_said(network: nn.Module, data: LabeledImages) -> None:
    push = PGD(threat=L2(1.0), steps=1, step_size=0.25, targeted=True)
    assert len(nonrobust_dataset(network, data.first(4), attack=push, targets="random", seed=0)) == 4
    with pytest.raises(NotbugsError, match=r"Sequential has no embed\(\); give it one: wrap\("):
        robust_dataset(network, data.first(4), steps=1, step_size=0.1, seed=0)
