"""One loader for every place that labelled images come from."""

import torch

from notbugs.data.digits import digits
from notbugs.data.folder import read_folder
from notbugs.data.hub import fetch
from notbugs.data.labeled import LabeledImages, Origin
from notbugs.data.parquet import read_parquet
from notbugs.data.shifted import split_source, under_shift
from notbugs.data.splits import SPLITS, require_split
from notbugs.data.stored import StoredImages
from notbugs.data.tagged import tagged
from notbugs.errors import NotbugsError, unknown
from notbugs.locations import Location, location

_SOURCES = (
    "planted", "planted-spurious", "digits", "squares", "sketches", "sketches:CLASS,CLASS", "cifar10",
    "cifar10:CLASS,CLASS", "folder:PATH", "hf:NAME", "parquet:PATH", "built:DIR", "tagged:SOURCE", "SOURCE@SHIFT",
)  # fmt: skip

_CIFAR10_ON_THE_HUB = "uoft-cs/cifar10"


def load(
    source: str,
    *,
    split: str = "train",
    root: str | Location | None = None,
    seed: int = 0,
    stored: bool | None = None,
    for_device: torch.device | str = "cpu",
) -> LabeledImages:
    """The labelled images that `source` names: float32 in [0, 1], NCHW.

    ==================== ====================================================================================
    `planted`            made by code: a robust and a non-robust feature, both known; `seed` draws it
    `planted-spurious`   the same with a tag in a corner that is right in training and at chance in the test
    `digits`             1297 + 500 handwritten digits, in the package
    `squares`            light and dark squares, a tenth of the training labels wrong; see `squares`
    `sketches`           scenes of CIFAR-10's classes, made by code; `sketches:cat,dog`: of these classes
    `cifar10`            Parquet in `root` (or `root/cifar10`), else from the Hugging Face hub
    `cifar10:cat,dog`    only these classes, numbered in this order
    `folder:PATH`        one folder of images per class; see `read_folder`
    `parquet:PATH`       a Parquet file, or a directory of them; see `read_parquet`
    `hf:NAME`            a data set of the hub, `org/name[/config]`; with `root`, `root/NAME` or `root`
    `built:DIR`          a data set that notbugs built; it is one whole, `split` plays no part
    ==================== ====================================================================================

    `tagged:SOURCE` is that source with a small square that says the class, in training more than in tests (`tagged`).
    SOURCE@SHIFT, as in `cifar10@fog:3` or `digits@high:12`, is that source with every image changed (`parse_shift`).

    `split` is `train`, `test` or `all` (one after the other). `root` serves only `cifar10` and `hf:`; other
    paths are taken from the working directory. `stored`: the images of files stay there, and are read when they are
    indexed (`StoredImages`); by default those that do not fit into memory, also not into that of `for_device`, to
    which they will go. SOURCE@SHIFT is made in memory. Raises NotbugsError where the source, the split or a file is
    not what it should be, and for SOURCE@SHIFT of stored images.

    >>> load("digits", split="test")
    LabeledImages(digits: 500 images 3x32x32, 10 classes)
    """
    if source.startswith("tagged:tagged:"):
        raise NotbugsError(f"source {source[:40]!r}: images are tagged once; write tagged: once")
    source, shift = split_source(source)
    if shift is not None:
        plain = load(source, split=split, root=root, seed=seed, stored=stored, for_device=for_device)
        return under_shift(plain, shift, seed=seed)
    if split != "all":
        return _load(source, split, root=root, seed=seed, stored=stored, for_device=for_device)
    from notbugs.data.shards import concatenate

    splits = SPLITS[:1] if source.removeprefix("tagged:").startswith("built:") else SPLITS
    parts = [_load(source, one, root=root, seed=seed, stored=stored, for_device=for_device) for one in splits]
    if len({isinstance(part.images, StoredImages) for part in parts}) > 1:  # one fits, another does not
        return load(source, split=split, root=root, seed=seed, stored=True)
    return concatenate(parts, origin=parts[0].origin)


def _load(
    source: str,
    split: str,
    *,
    root: str | Location | None,
    seed: int,
    stored: bool | None,
    for_device: torch.device | str,
) -> LabeledImages:
    require_split(split)
    if source.startswith("tagged:"):
        inner = source.removeprefix("tagged:")
        plain = load(inner, split=split, root=root, seed=seed, stored=stored, for_device=for_device)
        return tagged(plain, split=split, seed=seed)
    kind, colon, detail = source.partition(":")
    if kind in ("planted", "planted-spurious", "digits", "squares") and colon:
        raise NotbugsError(f"source {source!r}: {kind} takes nothing after a colon; use {kind!r}")
    if kind in ("folder", "parquet", "hf", "built") and not detail:
        raise NotbugsError(f"source {source!r}: expected something after the colon, as in {_example(kind)!r}")
    match kind:
        case "planted" | "planted-spurious":
            from notbugs.data.planted import planted

            return planted(split, spurious=kind == "planted-spurious", seed=seed)
        case "digits":
            return digits(split)
        case "squares":
            from notbugs.data.squares import squares

            return squares(split, seed=seed)
        case "sketches":
            from notbugs.data.scenes import CLASSES
            from notbugs.data.sketches import sketches

            chosen = [name.strip() for name in detail.split(",")] if colon else CLASSES
            return sketches(split, classes=chosen, seed=seed)
        case "cifar10":
            classes = [name.strip() for name in detail.split(",")] if colon else None
            return _cifar10(classes, split, root=root, stored=stored, for_device=for_device)
        case "folder":
            return read_folder(location(detail), split=split, stored=stored, for_device=for_device)
        case "parquet":
            return read_parquet(location(detail), split=split, stored=stored, for_device=for_device)
        case "hf":
            return _from_hub(detail, split, root=root, stored=stored, for_device=for_device)
        case "built":
            from notbugs.data.shards import read_built

            return read_built(location(detail), stored=stored, for_device=for_device)
    raise unknown("source", source, _SOURCES)


def _example(kind: str) -> str:
    return next(source for source in _SOURCES if source.startswith(f"{kind}:"))


def _cifar10(
    classes: list[str] | None,
    split: str,
    *,
    root: str | Location | None,
    stored: bool | None,
    for_device: torch.device | str,
) -> LabeledImages:
    return read_parquet(
        fetch(_CIFAR10_ON_THE_HUB) if root is None else _below(root, "cifar10"),
        split=split,
        classes=classes,
        origin=Origin(
            name="cifar10" if classes is None else f"cifar10:{','.join(classes)}",
            licence="unknown",  # the authors state none
            citation="A. Krizhevsky (2009). Learning Multiple Layers of Features from Tiny Images.",
        ),
        stored=stored,
        for_device=for_device,
    )


def _from_hub(
    name: str,
    split: str,
    *,
    root: str | Location | None,
    stored: bool | None,
    for_device: torch.device | str,
) -> LabeledImages:
    if root is not None:
        return read_parquet(_below(root, name), split=split, stored=stored, for_device=for_device)
    org, _, rest = name.partition("/")
    short, _, config = rest.partition("/")
    directory = fetch(f"{org}/{short}" if short else org)
    return read_parquet(
        directory / config, split=split, origin=Origin(name=name), stored=stored, for_device=for_device
    )


def _below(root: str | Location, name: str) -> Location:
    """`root/name` where that is a directory, else `root`."""
    root = location(root)
    return root / name if (root / name).is_dir() else root
