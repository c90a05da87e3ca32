"""Training without labels: labels play no part, and what is learned tells the classes all the same."""

from dataclasses import replace

import pytest
import torch

from notbugs.data import Augmentation
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import build, model_digest
from notbugs.recipes import training_attack
from notbugs.threats import L2
from notbugs.training import Contrast, TrainConfig, train

VIEWS = Augmentation(crop=0.6, noise=0.05)
CONFIG = TrainConfig(epochs=3, lr=0.1, batch_size=32, augment=VIEWS, contrast=Contrast(), precision="float32")


def encoder(data: LabeledImages, config: TrainConfig = CONFIG, **keywords):
    return train(
        build("convnet-8-8-16-16", classes=16, image_size=12, seed=0), data, config, seed=0, **keywords
    )


def test_labels_play_no_part(data: LabeledImages) -> None:
    other = data.relabeled(1 - data.labels)
    assert model_digest(encoder(data)) == model_digest(encoder(other))


def test_the_loss_falls_and_partners_find_each_other(data: LabeledImages) -> None:
    told = []
    encoder(data, replace(CONFIG, epochs=10), on_epoch=told.append, validation=data)
    assert told[-1].loss < told[0].loss
    assert told[-1].accuracy > told[0].accuracy
    assert told[-1].validation_accuracy is None, "its head does not answer with classes"


def test_an_interrupted_training_goes_on_where_it_was(data: LabeledImages, tmp_path) -> None:
    whole = encoder(data)

    def stop(metrics):
        if metrics.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder(data, checkpoint=tmp_path / "state", on_epoch=stop)
    assert model_digest(encoder(data, checkpoint=tmp_path / "state")) == model_digest(whole)


def test_the_loss_by_hand() -> None:
    draw = torch.Generator().manual_seed(0)
    projected = torch.randn(6, 4, generator=draw)
    loss, found = Contrast(temperature=0.5).loss(projected)
    near = projected / projected.norm(dim=1, keepdim=True)
    total = 0.0
    for one in range(6):
        weights = [float((near[one] @ near[other] / 0.5).exp()) for other in range(6)]
        partner = (one + 3) % 6
        total -= torch.tensor(weights[partner] / (sum(weights) - weights[one])).log()
        assert bool(found[one]) == (weights[partner] == max(w for k, w in enumerate(weights) if k != one))
    assert float(loss) == pytest.approx(float(total / 6), rel=1e-5)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(NotbugsError, match="one of both"):
        CONFIG.against(training_attack(L2(0.5), steps=1, step_size=0.1))
    with pytest.raises(NotbugsError, match="temperature must be positive"):
        Contrast(temperature=0.0)
