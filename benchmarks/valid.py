"""Valid inputs of every kind, as small as they come: what the fuzzer changes, and what malformed files begin as."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from notbugs.app.report import write_report
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet import read_parquet
from notbugs.data.planted import planted
from notbugs.data.shards import read_built
from notbugs.features import PushToTarget
from notbugs.jobs import PLANS, Job, Subject, audit_job, build_job, model_spec, train_job
from notbugs.jobs.job import resolved_precision
from notbugs.models import ImageClassifier, build, save_model
from notbugs.recipes import targeted_attack
from notbugs.study import Built, Study, Trained, run_study
from notbugs.threats import L2
from notbugs.training import TrainConfig, train
from notbugs.training.checkpoint import Checkpoint, EpochMetrics

ARCH, IDENTITY, CLASSES = "convnet-4-4-4-4", "a training", 10
PUSH = PushToTarget(attack=targeted_attack(L2(0.5), steps=1, step_size=0.5), targets="next")
COURSE = TrainConfig(epochs=1, lr=0.1, batch_size=10)


def images(count: int = 20) -> LabeledImages:
    return replace(planted(count=count), origin=Origin(name="tiny"))


def network(classes: int = CLASSES) -> ImageClassifier:
    return build(ARCH, classes=classes, seed=0).eval()


def model(path: Path) -> Path:
    save_model(network(), path)
    return path


def checkpoint(path: Path) -> Path:
    state = {f"model.{name}": tensor for name, tensor in network().state_dict().items()}
    epochs = tuple(EpochMetrics(epoch=n, loss=1.0, accuracy=0.5, lr=0.1) for n in range(3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Checkpoint(state, epochs, IDENTITY).write(path)
    return path


def picture(side: int = 8, kind: str = "PNG", shade: int = 0) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(shade).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def folder(path: Path, kind: str = "PNG") -> Path:
    for label in range(2):
        (path / f"class{label}").mkdir(parents=True)
        for number in range(5):
            (path / f"class{label}" / f"{number}.{kind.lower()}").write_bytes(
                picture(kind=kind, shade=number)
            )
    return path


def table(count: int = 10) -> pa.Table:
    """As the Hugging Face hub keeps images."""
    features = {"img": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    rows = [{"bytes": picture(shade=number), "path": None} for number in range(count)]
    columns = {"img": rows, "label": [n % 2 for n in range(count)], "weight": [0.5] * count}
    return pa.table(columns).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def parquet(path: Path) -> Path:
    pq.write_table(table(), path)
    return path


def runs(root: Path) -> dict[str, Path]:
    """A finished run directory of each kind: training, built set, audit, study."""
    data, job, classifier = images(), Job(root=root, seed=0), network()
    trained = train_job(job, "train-tiny", model_spec(ARCH, data), data, COURSE, validation=data.first(5))
    built = build_job(job, "build-det", PUSH, classifier, data, shard_size=10)
    plan = replace(PLANS["quick"], sections=("adversarial", "saliency"))
    audited = audit_job(
        job, "audit-tiny", [Subject(model=classifier, named="tiny.safetensors", source="")], data,
        threat=L2(0.5), plan=plan,
    )  # fmt: skip
    study = Study(
        name="tiny", source="tiny", arch=ARCH, threat=L2(0.5), attack_steps=1, tested=10,
        models={"standard": Trained(how=COURSE), "d_det": Trained(how=COURSE, on="d_det")},
        sets={"d_det": Built(builder=PUSH, by="standard")},
    )  # fmt: skip
    studied = run_study(study, data, data, root=root, seed=0)
    found = {"train": trained, "build": built, "audit": audited, "study": studied}
    for run in found.values():
        write_report(run)
    assert len(read_built(built.path)) == len(data)
    return {name: run.path for name, run in found.items()}


def interrupted(root: Path, table_file: Path) -> Path:
    """A training from Parquet that was killed after its last epoch: `notbugs train` with these options ends it."""
    data, test = (read_parquet(table_file, split=split) for split in ("train", "test"))
    spec, config = model_spec(ARCH, data), replace(COURSE, lr=0.2, batch_size=len(data))
    run = train_job(Job(root=root, seed=0), f"train-{ARCH}", spec, data, config, validation=test)
    config = replace(config, precision=resolved_precision("auto", data))
    train(build(spec, seed=0), data, config, seed=0, validation=test, checkpoint=run.checkpoint)
    for made in (run.path / "result.json", run.model, run.metrics):
        made.unlink()
    return run.path


def main() -> None:
    """All of them in the current directory."""
    torch.set_num_threads(1)
    model(Path("model.safetensors"))
    checkpoint(Path("checkpoint.safetensors"))
    parquet(Path("table.parquet"))
    folder(Path("pictures"))
    interrupted(Path("interrupted"), Path("table.parquet"))
    for name, path in runs(Path("made")).items():
        path.rename(name)


if __name__ == "__main__":
    main()
