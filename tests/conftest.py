"""Data that several tests read: real CIFAR-10 where it lies beside the repository, else its layout."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def _threads_are_left_alone():
    """More than there were make whatever follows several times as slow, silently."""
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def _write(file: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, format="PNG")
        images.append({"bytes": stream.getvalue(), "path": None})
    features = {"img": {"_type": "Image"}, "label": {"names": CIFAR10_CLASSES, "_type": "ClassLabel"}}
    table = pa.table({"img": images, "label": pa.array(np.arange(count) % 10, pa.int64())})
    file.parent.mkdir(exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), file
    )


@pytest.fixture(scope="session")
def cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 in the Hugging Face Parquet layout: the real one, or 600 + 200 images of noise.

    The real one is looked for in NOTBUGS_CIFAR10, or beside the project in shared/data/cifar10.
    """
    beside = Path(__file__).resolve().parents[2] / "shared/data/cifar10"
    real = Path(os.environ.get("NOTBUGS_CIFAR10", beside))
    if real.is_dir():
        return real.resolve()
    made = tmp_path_factory.mktemp("cifar10")
    for part in range(2):
        _write(made / "plain_text" / f"train-{part:05}-of-00002.parquet", 300, seed=part)
    _write(made / "plain_text" / "test-00000-of-00001.parquet", 200, seed=2)
    return made
