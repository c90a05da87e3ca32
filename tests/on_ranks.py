"""What tests have several ranks do (`torchrun tests/on_ranks.py DIRECTORY`), and one process with these configs."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import sleep

import torch
from safetensors.torch import save_file
from torch import nn

from notbugs.alone import alone_in
from notbugs.attacks import PGD
from notbugs.data import Augmentation, LabeledImages, load
from notbugs.errors import NotbugsError
from notbugs.jobs import Job, model_spec, train_job
from notbugs.models import ImageClassifier, build, save_model
from notbugs.ranks import ALONE, Ranks, ranks_of_torchrun
from notbugs.seeds import Rows, generator
from notbugs.threats import L2
from notbugs.training import Contrast, TrainConfig, process_group, together, train
from notbugs.training.global_batch_norm import GlobalBatchNorm

CPU = torch.device("cpu")

# 97 images in batches of 20, 20, 19, 19, 19: parts of 10 and 10, of 10 and 9.
PLAIN = TrainConfig(epochs=2, lr=0.01, batch_size=20, precision="float32")
ATTACK = PGD(threat=L2(0.5), steps=2, step_size=0.2, keep="last")
AUGMENT = Augmentation(flip=True, translate=2, cutout=4, noise=(0.0, 0.1), crop=0.5, colour=0.3)
CONFIGS = {
    "standard": PLAIN,
    "adversarial, from random starts": PLAIN.against(ATTACK),
    "adversarial, restarted where not fooled": PLAIN.against(
        replace(ATTACK, restarts=2, stop_when_fooled=True)
    ),
    "augmented, averaged": replace(PLAIN, augment=AUGMENT, average=0.9, label_smoothing=0.1),
}


def digits() -> LabeledImages:
    return load("digits").first(97)


def trained(config: TrainConfig, ranks: Ranks = ALONE) -> tuple[ImageClassifier, list[float]]:
    """The model, and loss, accuracy and validation accuracy of the last epoch."""
    told = []
    model = train(
        build("convnet-8-8-8-8", classes=10, seed=0),
        digits(),
        config,
        seed=0,
        validation=load("digits", split="test").first(51),
        on_epoch=told.append,
        ranks=ranks,
    )
    return model, [told[-1].loss, told[-1].accuracy, told[-1].validation_accuracy]


def job(root: Path, ranks: Ranks) -> None:
    """`notbugs train --data digits --arch convnet-8-8-8-8 --batch-size 400 --epochs 8` in `root`."""
    data, test, arch = load("digits"), load("digits", split="test"), "convnet-8-8-8-8"
    config = TrainConfig(epochs=8, lr=0.2, batch_size=400)
    spec = model_spec(arch, data)
    train_job(Job(root=root, seed=0), f"train-{arch}", spec, data, config, validation=test, ranks=ranks)


def batch() -> tuple[torch.Tensor, torch.Tensor, nn.BatchNorm2d]:
    """Features, what a loss says of their normalised values, and the layer: far from mean 0, in parts that differ."""
    draw = generator(0, "batch")
    features = 3 * torch.randn(7, 5, 4, 3, generator=draw) + torch.arange(7.0).view(-1, 1, 1, 1)
    plain = nn.BatchNorm2d(5)
    with torch.no_grad():
        plain.weight.copy_(torch.rand(5, generator=draw) + 0.5)
        plain.bias.copy_(torch.randn(5, generator=draw))
    return features, torch.randn(7, 5, 4, 3, generator=draw), plain


def normalized(layer: nn.Module, features: torch.Tensor, gradients: torch.Tensor) -> dict[str, torch.Tensor]:
    """Forwards and backwards, twice: what comes out and what is left in the layer."""
    features = features.clone().requires_grad_()
    for _ in range(2):
        out = layer(features)
        out.backward(gradients)
    assert features.grad is not None
    plain = layer.plain if isinstance(layer, GlobalBatchNorm) else layer
    found = {"out": out, "gradient": features.grad, "weight": plain.weight.grad, "bias": plain.bias.grad}
    found |= {f"running {name}": tensor for name, tensor in plain.named_buffers()}
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def main(directory: Path, ranks: Ranks) -> None:
    warnings.simplefilter("error")
    features, gradients, plain = batch()
    mine = Rows.whole(len(features)).split(ranks.world_size)[ranks.rank]
    layer = GlobalBatchNorm(plain)
    save_file(
        normalized(layer, mine.share(features), mine.share(gradients)),
        directory / f"rank{ranks.rank}.safetensors",
    )
    for name, config in CONFIGS.items():
        model, told = trained(config, ranks)
        if ranks.is_first:
            save_model(model, directory / f"{name}.safetensors")
            (directory / f"{name}.txt").write_text(" ".join(map(repr, told)))
    job(directory / "runs", ranks)
    said = []
    far = replace(PLAIN, lr=1e9)
    for refused in (
        replace(PLAIN, contrast=Contrast()),
        replace(PLAIN, batch_size=1),
        far,
        far.against(ATTACK),
    ):
        try:
            trained(refused, ranks)
        except NotbugsError as error:
            said.append(str(error))
    try:
        with together(ranks, CPU):
            if ranks.rank == 1:
                raise NotbugsError("the disk is full")
    except NotbugsError as error:
        said.append(str(error))
    try:
        job(directory / ("runs" if ranks.is_first else "elsewhere"), ranks)
    except NotbugsError as error:
        said.append(str(error))
    with held(next((directory / "runs").iterdir()), seconds=0.7 if ranks.is_first else 0):
        job(directory / "runs", ranks)
    (directory / f"rank{ranks.rank}.txt").write_text("\n".join(said))


@contextmanager
def held(path: Path, *, seconds: float) -> Iterator[None]:
    """As by another process that works on the same, for so long."""
    has_it = Event()

    def hold() -> None:
        with alone_in(path):
            has_it.set()
            sleep(seconds)

    thread = Thread(target=hold if seconds else has_it.set)
    thread.start()
    has_it.wait()
    yield
    thread.join()


if __name__ == "__main__":
    here = ranks_of_torchrun()
    with process_group(here, CPU):
        main(Path(sys.argv[1]), here)
    os._exit(0)  # see process_group
