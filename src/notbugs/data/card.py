"""The data set card (README.md) of an exported data set, as the Hugging Face hub shows it."""

import json
from typing import Any

from notbugs.data.labeled import LabeledImages, Origin

# What the hub knows by name; for any other licence it wants `other` and the name beside it.
_LICENCES = {"mit", "apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}

_LOADING = {
    "parquet": """```python
import notbugs as nb

data = nb.load("parquet:PATH_OF_THIS_FOLDER", split="{split}")

from datasets import load_dataset

data = load_dataset("PATH_OF_THIS_FOLDER", split="{split}")
```

{exactness}""",
    "imagefolder": """```python
import notbugs as nb

data = nb.load("folder:PATH_OF_THIS_FOLDER", split="{split}")

from datasets import load_dataset

data = load_dataset("imagefolder", data_dir="PATH_OF_THIS_FOLDER", split="{split}")
```

{exactness} Files are numbered by row. Both loaders number the classes by sorted folder name.""",
    "npz": """```python
import numpy as np

with np.load("{split}.npz", allow_pickle=False) as data:
    images, labels, class_names = data["images"], data["labels"], data["class_names"]
```

`images` are the exact float32 values in [0, 1], NCHW. Other columns: `column.NAME`; `origin` is JSON.""",
}

_EXACT = "The 8-bit images are the exact values."
_ROUNDED = {
    "parquet": """The images in `img` are rounded to 8 bits. For constructed data that would be part of the
experiment: the column `pixels` has the exact float32 values in [0, 1] (little-endian; channels, height, width
{shape}), and notbugs reads that. Elsewhere: `np.frombuffer(row["pixels"], "<f4").reshape({shape})`.""",
    "imagefolder": """The images are **rounded to 8 bits**, for constructed data a part of the experiment:
export to Parquet or .npz for the exact values.""",
}


def dataset_card(data: LabeledImages, *, kind: str, split: str, exact: bool) -> str:
    """Markdown with YAML front matter: licence, classes, recipe, how to load it, what 8 bits lost."""
    origin = data.origin
    shape = tuple(data.images.shape[1:])
    exactness = _EXACT if exact or kind == "npz" else _ROUNDED[kind].format(shape=shape)
    facts = [
        f"- {len(data)} images ({split}) of {'x'.join(map(str, shape))} (channels, height, width)",
        f"- {data.classes} classes, in label order: {', '.join(data.class_names)}",
        f"- licence: {_line(origin.licence)}",
        f"- SHA-256 of images, labels and class names: `{data.digest}`",
    ]
    facts += [f"- columns: {', '.join(data.columns)}"] if data.columns else []
    facts += [f"- made from the data set with digest `{origin.parent}`"] if origin.parent else []
    facts += [f"- made with the model with digest `{origin.model}`"] if origin.model else []
    recipe = json.dumps(dict(origin.recipe), indent=2, default=str)
    parts = [
        _front_matter(origin, kind=kind, split=split),
        f"# {_line(origin.name)}",
        "\n".join(facts),
        f"## Load it\n\n{_LOADING[kind].format(split=split, exactness=exactness)}",
        f"## Recipe\n\n```json\n{recipe}\n```" if origin.recipe else "",
        f"## Citation\n\n{origin.citation}" if origin.citation else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    """Of what somebody else may have written: a new line would begin something else."""
    return " ".join(text.split())


def _front_matter(origin: Origin, *, kind: str, split: str) -> str:
    known = origin.licence.lower() in _LICENCES
    front: dict[str, Any] = {"pretty_name": origin.name, "task_categories": ["image-classification"]}
    front["license"] = origin.licence.lower() if known else "other"
    if not known:
        front["license_name"] = origin.licence
    if kind == "parquet":
        files = {"split": split, "path": f"data/{split}-*.parquet"}
        front["configs"] = [{"config_name": "default", "data_files": [files]}]
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()
    ]  # JSON is YAML
    return "\n".join(["---", *lines, "---"])
