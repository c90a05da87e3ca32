"""`notbugs train` and `notbugs build`: one model, one data set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from notbugs.app.cli import app
from notbugs.app.options import (
    DEFAULT,
    Common,
    Data,
    DataRoot,
    device_of,
    job_of,
    load_images,
    located,
    of_rank,
    processes_to_read,
    settled,
    show,
)
from notbugs.errors import NotbugsError
from notbugs.locations import Location
from notbugs.ranks import ranks_of_torchrun


@app.command
def train(
    *,
    data: Data,
    data_root: DataRoot = None,
    arch: Annotated[
        str, Parameter(help="convnet, resnet9, resnet18, resnet50, wrn-16-2, vgg16, densenet, inception.")
    ] = "wrn-16-2",
    attack: Annotated[str, Parameter(help="Adversarial training, e.g. pgd:l2:0.5:7 (7 steps).")] = "",
    epochs: int = 14,
    lr: Annotated[float, Parameter(help="Peak learning rate.")] = 0.2,
    batch_size: Annotated[
        int | None, Parameter(help="Default: 128, or all images where they are fewer.")
    ] = None,
    schedule: Annotated[str, Parameter(help="one_cycle, step, cosine or constant.")] = "one_cycle",
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.0,
    average: Annotated[
        float, Parameter(help="Decay of the average of the weights, e.g. 0.999; 0: none.")
    ] = 0.0,
    flip: Annotated[bool, Parameter(help="Augment by left-right flips.")] = False,
    translate: Annotated[int, Parameter(help="Augment by shifts of up to so many pixels.")] = 0,
    cutout: Annotated[int, Parameter(help="Augment by a grey square of this side.")] = 0,
    noise: Annotated[float, Parameter(help="Augment by Gaussian noise of this standard deviation.")] = 0.0,
    buffer: Annotated[
        int,
        Parameter(
            help="Shuffle within so many images, part after part, instead of among all: for Parquet files larger "
            "than memory."
        ),
    ] = 0,
    workers: Annotated[
        int | None,
        Parameter(
            help="Processes that read images larger than memory. Default: one per core beyond two, up to 8."
        ),
    ] = None,
    common: Common = DEFAULT,
) -> None:
    """Train a model, standard or adversarially, in a run directory; under torchrun on several processes.

    Example: notbugs train --data cifar10 --arch wrn-16-2 --attack pgd:l2:0.5:7 --flip --translate 4
    """
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.attacks.pgd import parse_attack
    from notbugs.data import Augmentation
    from notbugs.jobs import model_spec, train_job
    from notbugs.training import TrainConfig, process_group, together

    ranks = ranks_of_torchrun()
    common = of_rank(common, ranks)
    common = settled(common, on_ray="train runs here, on several GPUs or machines by torchrun")
    if workers is not None and workers < 0:
        raise NotbugsError(f"workers must be >= 0, got {workers}")
    device = device_of(common)
    with process_group(ranks, device):
        with together(ranks, device):
            images = load_images(data, data_root, common)
            config = TrainConfig(
                epochs=epochs,
                lr=lr,
                batch_size=min(128, len(images)) if batch_size is None else batch_size,
                schedule=schedule,
                weight_decay=weight_decay,
                label_smoothing=label_smoothing,
                average=average,
                augment=Augmentation(flip=flip, translate=translate, cutout=cutout, noise=noise),
                attack=parse_attack(attack) if attack else None,
                buffer=buffer,
            )
            test = None if data.startswith("built:") else load_images(data, data_root, common, split="test")
            spec = model_spec(arch, images)
        with watching(quiet=common.quiet) as watch:
            job = job_of(common, watch("train"))
            run = train_job(
                job,
                f"train-{arch}",
                spec,
                images,
                config,
                validation=test,
                ranks=ranks,
                workers=processes_to_read(ranks) if workers is None else workers,
            )
    if ranks.is_first:
        write_report(run)
        show(run, common)


@app.command
def build(
    kind: Annotated[
        Literal["robust", "nonrobust", "rand", "det"], Parameter(help="D_R, D_NR, D_rand or D_det.")
    ],
    /,
    *,
    model: Annotated[
        Location,
        Parameter(
            help="A run directory or a .safetensors file: robust for D_R, standard for the others.",
            converter=located,
            metavar="PATH|URL",
        ),
    ],
    data: Data,
    data_root: DataRoot = None,
    split: Annotated[
        Literal["train", "test"], Parameter(help="Which part of the data to rebuild.")
    ] = "train",
    threat: Annotated[str, Parameter(help="rand, det: how far an image may move. Default: l2:0.5.")] = "",
    steps: Annotated[
        int | None, Parameter(help="Default: the paper's, 1000 (robust, nonrobust) or 100 (rand, det).")
    ] = None,
    step_size: Annotated[float, Parameter(help="L2 length of a step, in [0, 1] pixel units.")] = 0.1,
    start: Annotated[
        Literal["images", "noise"] | None,
        Parameter(help="robust, nonrobust: where the search begins. Default: images."),
    ] = None,
    relative: Annotated[
        bool, Parameter(help="robust, nonrobust: divide the distance by the target's length.", negative=())
    ] = False,
    keep: Annotated[Literal["last", "best"], Parameter(help="Which iterate is kept.")] = "last",
    common: Common = DEFAULT,
) -> None:
    """Build a data set that holds only robust, or only non-robust, features; shard by shard, resumable.

    Example: notbugs build det --model runs/train-wrn-16-2-0123456789 --data cifar10
    """
    from notbugs.app.progress import watching
    from notbugs.app.report import write_report
    from notbugs.features import Builder, MatchEmbeddings, PushToTarget, Targets
    from notbugs.jobs import build_job
    from notbugs.recipes import targeted_attack
    from notbugs.runs import load_classifier
    from notbugs.threats import parse_threat

    common = settled(common)
    builder: Builder
    for_match, for_push = {"--start": start, "--relative": relative}, {"--threat": threat}
    _refuse(kind, for_push if kind in ("robust", "nonrobust") else for_match)
    if kind in ("robust", "nonrobust"):
        builder = MatchEmbeddings(
            kind=kind,
            steps=1000 if steps is None else steps,
            step_size=step_size,
            start=start or "images",
            relative=relative,
            keep=keep,
        )
    else:
        push = targeted_attack(
            parse_threat(threat or "l2:0.5"), steps=100 if steps is None else steps, step_size=step_size
        )
        targets: Targets = "random" if kind == "rand" else "next"
        builder = PushToTarget(attack=replace(push, keep=keep), targets=targets)
    classifier = load_classifier(model)
    images = load_images(data, data_root, common, split=split)
    with watching(quiet=common.quiet) as watch:
        run = build_job(job_of(common, watch(f"build {kind}")), f"build-{kind}", builder, classifier, images)
    write_report(run, originals=images)
    show(run, common)


def _refuse(kind: str, options: Mapping[str, object]) -> None:
    """Options of the other kinds: taken without a word, they would be believed to have done something."""
    for name, value in options.items():
        if value:
            others = "rand and det" if kind in ("robust", "nonrobust") else "robust and nonrobust"
            raise NotbugsError(f"{name} is for {others}, not for {kind}; leave it out")
