"""Images from representations: what a model keeps of an image, and what lies between two of them."""

from typing import Literal

import torch

from notbugs.attacks import EmbeddingMatch, embedding_of
from notbugs.models import frozen
from notbugs.synthesis.drawing import Ascent
from notbugs.synthesis.pace import Pace
from notbugs.synthesis.parametrization import OverFrequencies
from notbugs.tensors import Classifier, Embeddings, Images

INVERSION = Pace(eps=1000, steps=400, step_size=1.0, halvings=5, side=32)
"""The published search takes 10 000 steps of 0.1; halving the steps comes as near in 400."""

Over = Literal["pixels", "frequencies"]


def invert(
    model: Classifier,
    images: Images,
    *,
    generator: torch.Generator,
    over: Over = "pixels",
    pace: Pace = INVERSION,
) -> Ascent:
    """From noise, images that the model embeds as it embeds `images` (Engstrom et al. 2019, section 4.1).

    Of a robust model they look like the images, of a standard one like noise. `over` frequencies the steps favour
    coarse patterns. The objective is minus the distance of the embeddings, as a share of the image's own.
    """
    noise = torch.empty(images.shape).normal_(generator=generator).to(images)
    start = (noise / 20 + 0.5).clamp(0, 1)
    objective = EmbeddingMatch(embedding_of(model), _represented(model, images), relative=True)
    within = OverFrequencies if over == "frequencies" else None
    return Ascent.of(model, objective, start, pace, within=within)


def interpolate(
    model: Classifier,
    first: Images,
    second: Images,
    *,
    count: int = 10,
    pace: Pace = INVERSION,
) -> Ascent:
    """`count` images from each `first` to its `second`, in rows one after the other: starts and representations are
    mixed alike (Engstrom et al. 2019, section 4.1.1).
    """
    shares = torch.linspace(0, 1, count, device=first.device).repeat(len(first))
    start, targets = (
        torch.lerp(a.repeat_interleave(count, 0), b.repeat_interleave(count, 0), _along(shares, a))
        for a, b in ((first, second), (_represented(model, first), _represented(model, second)))
    )
    objective = EmbeddingMatch(embedding_of(model), targets, relative=True)
    return Ascent.of(model, objective, start, pace)


def _represented(model: Classifier, images: Images) -> Embeddings:
    with frozen(model), torch.no_grad():
        return embedding_of(model)(images)


def _along(shares: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return shares.view(-1, *(1,) * (values.dim() - 1))


__all__ = ["INVERSION", "Over", "interpolate", "invert"]
