"""Seeds for generation: one Gaussian per class, fitted to its images (Santurkar et al. 2019, section 3.1)."""

import hashlib
from dataclasses import dataclass
from typing import final

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.files import write_atomically
from notbugs.locations import Location
from notbugs.tensors import Images, Labels

SIDE = 8
"""To which images are shrunk before the fit: a seed needs the layout of colours, and 192 numbers can be fitted."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ClassGaussians:
    """For each class the mean of its shrunk images, and a matrix whose square is their covariance.

    `image_size`: height and width that seeds are enlarged to.
    """

    means: Float[Tensor, "classes channels rows columns"]
    roots: Float[Tensor, "classes values rank"]
    image_size: tuple[int, int]

    @property
    def digest(self) -> str:
        """What tells them from others."""
        parts = (self.means, self.roots, torch.tensor(self.image_size))
        return hashlib.sha256(b"".join(part.cpu().numpy().tobytes() for part in parts)).hexdigest()[:12]

    def draw(self, labels: Labels, *, generator: torch.Generator) -> Images:
        """One seed for each label, in [0, 1], on its device. Raises NotbugsError for a label that there is not."""
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.means):
            raise NotbugsError(f"labels must lie between 0 and {len(self.means) - 1}")
        noise = torch.empty(len(labels), self.roots.shape[2]).normal_(generator=generator)
        rows = labels.to(self.means.device)
        moved = torch.einsum("nvr,nr->nv", self.roots[rows], noise.to(self.roots))
        small = self.means[rows] + moved.view(-1, *self.means.shape[1:])
        return enlarged(small, self.image_size).clamp_(0, 1).to(labels.device)


def fit_gaussians(data: LabeledImages, *, side: int = SIDE) -> ClassGaussians:
    """A Gaussian for each class of `data`, of its images shrunk to `side` pixels by averaging.

    Raises NotbugsError for a class of fewer than two images.

    >>> from notbugs.data import load
    >>> seeds = fit_gaussians(load("digits"))
    >>> seeds.draw(torch.tensor([3, 3, 8]), generator=torch.Generator().manual_seed(0)).shape
    torch.Size([3, 3, 32, 32])
    """
    height, width = data.images.shape[2:]
    small = functional.adaptive_avg_pool2d(data.images, (min(side, height), min(side, width)))
    means, roots = [], []
    for label, name in enumerate(data.class_names):
        own = small[data.labels == label].flatten(1).cpu().double()
        if len(own) < 2:
            raise NotbugsError(f"class {name} has {len(own)} images: a Gaussian needs at least 2")
        mean = own.mean(0)
        # From the deviations themselves: a covariance of fewer images than values has no inverse, but it has a root.
        _, lengths, directions = torch.linalg.svd(own - mean, full_matrices=False)
        root = torch.zeros(own.shape[1], own.shape[1], dtype=own.dtype, device=own.device)
        root[:, : len(lengths)] = directions.T * (lengths / (len(own) - 1) ** 0.5)
        means.append(mean.view(small.shape[1:]))
        roots.append(root)
    return ClassGaussians(
        means=torch.stack(means).float(), roots=torch.stack(roots).float(), image_size=(height, width)
    )


def save_gaussians(gaussians: ClassGaussians, path: Location) -> None:
    """Write them to one safetensors file, in half precision: a seed needs no more."""
    tensors = {
        "means": gaussians.means.half(),
        "roots": gaussians.roots.half(),
        "image_size": torch.tensor(gaussians.image_size),
    }
    write_atomically(path, safetensors.torch.save({name: one.contiguous() for name, one in tensors.items()}))


def load_gaussians(path: Location) -> ClassGaussians:
    """What `save_gaussians` wrote. Raises NotbugsError for a file that holds something else."""
    try:
        tensors = safetensors.torch.load(path.read_bytes())
        height, width = tensors["image_size"].tolist()
        return ClassGaussians(
            means=tensors["means"].float(), roots=tensors["roots"].float(), image_size=(height, width)
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise NotbugsError(f"{path} holds no Gaussians of classes ({error})") from error


def enlarged(images: Images, size: tuple[int, int]) -> Tensor:
    """Bicubic; what rings beyond black and white is left to the caller."""
    return functional.interpolate(images, size, mode="bicubic", align_corners=False)


__all__ = ["ClassGaussians", "enlarged", "fit_gaussians", "load_gaussians", "save_gaussians"]
