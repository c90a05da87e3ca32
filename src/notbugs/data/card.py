"""The data set card (README.md) of an exported data set, as the Hugging Face hub shows it."""

import json

from notbugs.data.labeled import LabeledImages

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

`images` are the exact float32 values in [0, 1], NCHW. Other columns are called `column.NAME`; `origin` is JSON.""",
}

_EXACT = "The 8-bit images are the exact values."
_ROUNDED = {
    "parquet": """The images in `img` are rounded to 8 bits. For constructed data that rounding would be part of the
experiment: the column `pixels` has the exact float32 values in [0, 1] (little-endian, {shape} as channel, height,
width), and notbugs reads that. Elsewhere: `np.frombuffer(row["pixels"], "<f4").reshape({shape})`.""",
    "imagefolder": """The images are **rounded to 8 bits**, which for constructed data is part of the experiment:
export to Parquet or .npz for the exact values.""",
}


def dataset_card(data: LabeledImages, *, kind: str, split: str, exact: bool) -> str:
    """Markdown with YAML front matter: licence, classes, recipe, how to load it, and whether 8 bits lost anything."""
    origin = data.origin
    front = {
        "license": origin.licence.lower(),
        "pretty_name": origin.name,
        "task_categories": ["image-classification"],
    }
    if front["license"] == "unknown" or not _is_licence(origin.licence):
        front["license"], front["license_name"] = "other", origin.licence
    if kind == "parquet":
        files = {"split": split, "path": f"data/{split}-*.parquet"}
        front["configs"] = [{"config_name": "default", "data_files": [files]}]
    shape = tuple(data.images.shape[1:])
    exactness = _EXACT if exact or kind == "npz" else _ROUNDED[kind].format(shape=shape)
    recipe = json.dumps(dict(origin.recipe), indent=2, default=str)
    facts = [
        f"- {len(data)} images ({split}) of {'x'.join(map(str, shape))} (channels, height, width)",
        f"- {data.classes} classes, in label order: {', '.join(data.class_names)}",
        f"- licence: {origin.licence}",
        f"- SHA-256 of images, labels and class names: `{data.digest}`",
    ]
    facts += [f"- columns: {', '.join(data.columns)}"] if data.columns else []
    facts += [f"- made from the data set with digest `{origin.parent}`"] if origin.parent else []
    facts += [f"- made with the model with digest `{origin.model}`"] if origin.model else []
    parts = [
        "---\n"
        + "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())
        + "\n---",  # JSON is YAML
        f"# {origin.name}",
        "\n".join(facts),
        f"## Load it\n\n{_LOADING[kind].format(split=split, exactness=exactness)}",
        f"## Recipe\n\n```json\n{recipe}\n```" if origin.recipe else "",
        f"## Citation\n\n{origin.citation}" if origin.citation else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_licence(name: str) -> bool:
    """Whether the hub knows the licence by this name; elsewhere it wants `other` and a name."""
    return name.lower() in {
        "mit",
        "apache-2.0",
        "cc0-1.0",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "bsd-3-clause",
    }
