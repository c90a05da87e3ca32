"""The training loop: it learns, repeats itself to the bit, goes on where it was, and says what is wrong."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from notbugs.attacks.pgd import PGD
from notbugs.data import Augmentation
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.models import build, model_digest
from notbugs.seeds import generator
from notbugs.threats import L2, Linf
from notbugs.training.config import TrainConfig
from notbugs.training.loop import DivergedError, train
from notbugs.training.schedule import SCHEDULES

PLAIN = TrainConfig(epochs=3, lr=0.2, batch_size=32, precision="float32")
ATTACK = PGD(threat=Linf(0.05), steps=2, step_size=0.03)
EVERYTHING = replace(
    PLAIN, average=0.9, augment=Augmentation(flip=True, translate=1, noise=0.02), attack=ATTACK, epochs=4
)
CONFIGS = {"plain": PLAIN, "averaged, augmented, attacked": EVERYTHING}

every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def accuracy(model, data):
    with torch.no_grad():
        return float((model(data.images).argmax(1) == data.labels).float().mean())


# It learns


def test_it_learns_stripes_and_tells_of_every_epoch(model, data):
    history, progress = [], []
    trained = train(
        model,
        data,
        replace(PLAIN, epochs=5),
        seed=0,
        validation=data,
        on_epoch=history.append,
        progress=lambda done, total, note: progress.append((done, total, note)),
    )
    assert trained is model
    assert not any(module.training for module in model.modules())
    assert accuracy(model, data) > 0.95
    assert [metrics.epoch for metrics in history] == [1, 2, 3, 4, 5]
    assert history[-1].loss < history[0].loss
    assert history[-1].validation_accuracy == pytest.approx(accuracy(model, data))
    assert [done for done, _, _ in progress] == sorted({done for done, _, _ in progress})
    assert progress[-1][:2] == (15, 15)


def test_bfloat16_learns_too(model, data):
    train(model, data, replace(PLAIN, epochs=5, precision="bfloat16"), seed=0)
    assert accuracy(model, data) > 0.95
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_every_image_is_seen_once_in_an_epoch_in_batches_of_nearly_equal_size(model, data):
    seen, sizes = [], []

    def watch(_, arguments):
        seen.append(arguments[0].clone())
        sizes.append(len(arguments[0]))

    model.register_forward_pre_hook(watch)
    train(model, data.first(65), replace(PLAIN, epochs=1), seed=0)
    assert sizes == [22, 22, 21]
    found = torch.cdist(torch.cat(seen).flatten(1), data.first(65).images.flatten(1)).argmin(1)
    assert found.sort().values.tolist() == list(range(65))
    assert found.tolist() != list(range(65))


def test_every_epoch_is_augmented_anew(model, data):
    noise, order = [], []

    def watch(_, arguments):
        rows = torch.cdist(arguments[0].flatten(1), data.images.flatten(1)).argmin(1)
        order.append(rows)
        noise.append(arguments[0] - data.images[rows])

    model.register_forward_pre_hook(watch)
    config = replace(PLAIN, epochs=2, batch_size=len(data), augment=Augmentation(noise=0.01))
    train(model, data, config, seed=0)
    assert not torch.equal(*order)
    assert noise[0].std() == pytest.approx(0.01, rel=0.1)
    assert not torch.allclose(noise[0], noise[1], atol=1e-4)


def test_adversarial_training_makes_a_network_robust():
    """On planted data whose fine patterns lie within the budget, and whose shapes do not."""
    truth = PlantedTruth(classes=2, image_size=16, norm_robust=3.0, norm_nonrobust=0.4, p_robust=0.95)
    data, test = (planted(split, count=400, truth=truth) for split in ("train", "test"))
    attack = PGD(threat=L2(0.5), steps=3, step_size=0.25)
    config = replace(PLAIN, epochs=6, lr=0.1, batch_size=50)
    robust_accuracy = {}
    for name, chosen in {"standard": config, "robust": config.against(attack)}.items():
        model = build("convnet-16-16-16-16", classes=2, image_size=16, seed=0)
        train(model, data, chosen, seed=0)
        strong = PGD(threat=L2(0.5), steps=10, step_size=0.125)
        found = strong(model, test.images, test.labels, generator=generator(0))
        robust_accuracy[name] = accuracy(model, replace(test, images=found))
        assert accuracy(model, test) > 0.8
    assert robust_accuracy["robust"] > robust_accuracy["standard"] + 0.1


# It repeats itself


@every_config
def test_same_seed_same_bytes_and_the_global_generator_plays_no_part(config, model, data):
    config = replace(config, epochs=2)
    twin, other = copy.deepcopy(model), copy.deepcopy(model)
    train(model, data, config, seed=0)
    torch.rand(7)
    train(twin, data, config, seed=0)
    train(other, data, config, seed=1)
    assert model_digest(model) == model_digest(twin)
    assert model_digest(model) != model_digest(other)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.1},
        {"average": 0.9},
        {"augment": Augmentation(flip=True)},
        {"attack": ATTACK},
        {"schedule": "cosine"},
        {"momentum": 0.0},
        {"label_smoothing": 0.1},
        {"weight_decay": 0.1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_the_config_matters(change, model, data):
    twin = copy.deepcopy(model)
    train(model, data, replace(PLAIN, epochs=2), seed=0)
    train(twin, data, replace(PLAIN, epochs=2, **change), seed=0)
    assert model_digest(model) != model_digest(twin)


def test_validation_and_observation_change_nothing(model, data):
    twin = copy.deepcopy(model)
    train(model, data, EVERYTHING, seed=0)
    train(twin, data, EVERYTHING, seed=0, validation=data.first(20), on_epoch=lambda metrics: None)
    assert model_digest(model) == model_digest(twin)


# It goes on where it was


class Killed(Exception):
    pass


def killed_after(epochs):
    def on_epoch(metrics):
        if metrics.epoch == epochs:
            raise Killed

    return on_epoch


@every_config
@pytest.mark.parametrize("stopped_after", [1, 2])
def test_a_resumed_training_is_the_uninterrupted_one(config, stopped_after, model, data, tmp_path):
    whole, first, second = model, copy.deepcopy(model), copy.deepcopy(model)
    history, resumed = [], []
    path = tmp_path / "state" / "checkpoint.safetensors"
    train(whole, data, config, seed=0, validation=data, on_epoch=history.append)
    with pytest.raises(Killed):
        train(
            first,
            data,
            config,
            seed=0,
            validation=data,
            checkpoint=path,
            on_epoch=killed_after(stopped_after),
        )
    train(second, data, config, seed=0, validation=data, checkpoint=path, on_epoch=resumed.append)
    assert model_digest(second) == model_digest(whole)
    assert resumed == history
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_finished_training_is_not_repeated(model, data, tmp_path):
    path, twin = tmp_path / "checkpoint", copy.deepcopy(model)
    train(model, data, EVERYTHING, seed=0, checkpoint=path)
    steps, history = [], []
    train(
        twin,
        data,
        EVERYTHING,
        seed=0,
        checkpoint=path,
        on_epoch=history.append,
        progress=lambda *step: steps.append(step),
    )
    assert not steps
    assert len(history) == 4
    assert model_digest(model) == model_digest(twin)


@pytest.fixture
def checkpoint(model, data, tmp_path):
    """Where a training of `model` was stopped after its first epoch."""
    path = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        train(model, data, PLAIN, seed=0, checkpoint=path, on_epoch=killed_after(1))
    return path


def test_the_checkpoint_of_another_training_is_refused(checkpoint, model, data):
    arguments = {"model": model, "data": data, "config": PLAIN, "seed": 0, "validation": None}
    others = {
        "seed": 1,
        "config": replace(PLAIN, lr=0.1),
        "data": data.relabeled(1 - data.labels),
        "model": build("convnet-8-8-8-8", classes=2, image_size=12, seed=0),
        "validation": data,
    }
    for name, other in others.items():
        with pytest.raises(NotbugsError, match="belongs to another training; delete it"):
            train(**{**arguments, name: other}, checkpoint=checkpoint)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"not a checkpoint at all" * 10,
        lambda content: b"\xff" * 16 + content[16:],
        lambda content: content.replace(b"identity", b"identitx"),
        lambda content: content.replace(b"epoch", b"epocx"),
    ],
    ids=["cut", "one byte short", "empty", "foreign", "wild length", "no identity", "strange metrics"],
)
def test_a_damaged_checkpoint_is_one_clear_error(damage, checkpoint, model, data):
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(NotbugsError, match=r"is not a readable checkpoint.*delete it") as caught:
        train(model, data, PLAIN, seed=0, checkpoint=checkpoint)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_cannot_be_written_is_a_clear_error(model, data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotbugsError, match="cannot write"):
        train(model, data, PLAIN, seed=0, checkpoint=tmp_path / "file" / "checkpoint")


# It diverges


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_divergence_gives_back_the_last_good_weights(average, model, data):
    kept = []

    def fail_later(metrics):
        kept.append(copy.deepcopy(model.state_dict()))
        if metrics.epoch == 2:
            model.normalize.std.zero_()  # from here on the loss is NaN
            model.normalize.mean.fill_(math.nan)

    with pytest.raises(
        DivergedError, match=r"diverged in epoch 3.*epoch 2 are kept.*Lower the learning rate"
    ):
        train(model, data, replace(PLAIN, epochs=5, average=average), seed=0, on_epoch=fail_later)
    assert len(kept) == 2
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in model.state_dict().items())
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(
    "attack", [None, ATTACK, replace(ATTACK, stop_when_fooled=True)], ids=["clean", "attacked", "leaving"]
)
def test_a_learning_rate_too_high_is_told_so(attack, model, data):
    config = replace(PLAIN, lr=1e30, schedule="constant", attack=attack)
    with pytest.raises(DivergedError, match=r"Lower the learning rate \(now 1e\+30\)"):
        train(model, data, config, seed=0)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert accuracy(model, data) >= 0


def test_an_impossible_attack_is_not_called_a_divergence(model, data):
    attack = PGD(threat=L2(math.inf), steps=1, step_size=0.1)  # nowhere to start at random
    with pytest.raises(NotbugsError, match="finite eps") as caught:
        train(model, data, replace(PLAIN, attack=attack), seed=0)
    assert not isinstance(caught.value, DivergedError)


# It refuses


def test_data_that_do_not_fit_are_refused(model, data):
    with pytest.raises(NotbugsError, match="batch_size 97 is larger than the data: choose at most 96"):
        train(model, data, replace(PLAIN, batch_size=97), seed=0)
    with pytest.raises(NotbugsError, match="the model has 2 classes, stripes has 3"):
        train(model, replace(data, class_names=("a", "b", "c")), PLAIN, seed=0)
    with pytest.raises(NotbugsError, match="takes 3 channels, the images have 1"):
        train(model, replace(data, images=data.images[:, :1]), PLAIN, seed=0)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"epochs": 0}, "epochs must be positive"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": math.nan}, "lr must be positive"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"average": math.nan}, "average must lie"),
        ({"label_smoothing": -0.1}, "label_smoothing must lie"),
        ({"weight_decay": -1.0}, "weight_decay must be >= 0"),
    ],
    ids=str,
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(NotbugsError, match=message):
        replace(PLAIN, **fields)


def test_against_is_the_same_training_with_an_attack():
    assert PLAIN.against(ATTACK) == replace(PLAIN, attack=ATTACK)
    assert set(SCHEDULES) == {"one_cycle", "step", "cosine", "constant"}
