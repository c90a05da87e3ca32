"""D_R and D_NR: images whose features, as one model sees them, are another image's (Ilyas et al. 2019, C.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from notbugs.attacks import EmbeddingMatch, Keep, embedding_of, projected_ascent
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError, require_positive
from notbugs.features.builder import Builder, Source, build_dataset
from notbugs.progress import Progress, silent
from notbugs.threats import L2

Start = Literal["images", "noise"]
Kind = Literal["robust", "nonrobust"]


@final
@dataclass(frozen=True, kw_only=True)
class MatchEmbeddings(Builder):
    """For each (x, y): from another image, or noise, descend ||g(z) - g(x)|| in steps of L2 length `step_size`,
    bounded by the pixel box only, and keep (z, y). g is the penultimate layer: of a robust model it makes D_R,
    of a standard one D_NR.
    """

    kind: Kind = "robust"
    steps: int
    step_size: float
    start: Start = "images"
    relative: bool = False
    keep: Keep = "last"

    def __post_init__(self) -> None:
        require_positive("steps", self.steps)
        require_positive("step_size", self.step_size)

    def build(self, source: Source, rows: torch.Tensor, *, generator: torch.Generator) -> LabeledImages:
        data, originals = source.data, source.data.images[rows]
        exact, fast = embedding_of(source.model), embedding_of(source.searched)
        with torch.no_grad():
            targets = fast(originals)
        start, start_index = self._start(data, rows, generator)
        images = projected_ascent(
            EmbeddingMatch(fast, targets, self.relative),
            start,
            threat=L2(float("inf")),
            centers=originals,
            steps=self.steps,
            step_size=self.step_size,
            keep=self.keep,
        )
        with torch.no_grad():
            wanted = exact(originals)
            scale = torch.linalg.vector_norm(wanted, dim=1).clamp_min(1e-12)
            residual = _distance(exact(images), wanted) / scale
            before = _distance(exact(start), wanted) / scale
        return source.made(
            images,
            data.labels[rows],
            rows,
            start_index=start_index,
            distance=torch.linalg.vector_norm((images - originals).flatten(1), dim=1),
            residual=residual,
            start_residual=before,
        )

    def _start(
        self, data: LabeledImages, rows: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        device = rows.device
        if self.start == "noise":
            noise = torch.randn(data.images[rows].shape, generator=generator, device=device)
            return (noise / 20 + 0.5).clamp(0, 1), torch.full_like(rows, -1)
        if len(data) < 2:
            raise NotbugsError("a start from another image needs at least 2 images; use start noise")
        other = torch.randint(len(data) - 1, (len(rows),), generator=generator, device=device)
        other = other + (
            other >= rows
        )  # any image but the row's own: equal start and target give no gradient
        return data.images[other], other

    def measured(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {
            "feature_residual": float(columns["residual"].double().mean()),
            "feature_residual_at_start": float(columns["start_residual"].double().mean()),
            "mean_distance": float(columns["distance"].double().mean()),
        }


def _distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(first - second, dim=1)


def robust_dataset(
    model: nn.Module,
    data: LabeledImages,
    *,
    kind: Kind = "robust",
    steps: int,
    step_size: float,
    seed: int,
    start: Start = "images",
    relative: bool = False,
    keep: Keep = "last",
    precision: str = "auto",
    progress: Progress = silent,
) -> LabeledImages:
    """The images that keep only what `model` represents: D_R from a robust model, D_NR (`kind="nonrobust"`, which
    names the set) from a standard one. The model has an `embed`; `wrap` gives one to any network.

    The paper takes 1000 steps of 0.1 on CIFAR-10 (10 000 from noise). Row i of the result is made from row i of
    `data` and keeps its label; column `residual` says how far its embedding is from the original's, relative to
    the original's length. Raises NotbugsError if model and data do not fit.

    >>> from notbugs import build, load
    >>> data = load("digits").first(20)
    >>> d_r = robust_dataset(build("convnet", classes=10, seed=0), data, steps=2, step_size=0.5, seed=0)
    >>> d_r, d_r.labels.equal(data.labels)
    (LabeledImages(robust of digits: 20 images 3x32x32, 10 classes), True)
    """
    builder = MatchEmbeddings(
        kind=kind, steps=steps, step_size=step_size, start=start, relative=relative, keep=keep
    )
    return build_dataset(builder, model, data, seed=seed, precision=precision, progress=progress)
