"""Images from representations: what a model keeps of an image, and what lies between two of them."""

from typing import Literal

import torch

from notbugs.attacks import EmbeddingMatch, embedding_of
from notbugs.models import frozen
from notbugs.progress import Progress, silent
from notbugs.synthesis.drawing import Drawing, draw
from notbugs.synthesis.pace import Pace
from notbugs.synthesis.parametrization import OverFrequencies
from notbugs.tensors import Classifier, Images
from notbugs.threats import L2, Threat

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
    frames: int = 0,
    progress: Progress = silent,
) -> Drawing:
    """From noise, images that the model embeds as it embeds `images` (Engstrom et al. 2019, section 4.1).

    Of a robust model they look like the images, of a standard one like noise. `over` frequencies the steps favour
    coarse patterns. The objective is minus the distance of the embeddings, as a share of the image's own.
    """
    noise = torch.empty(images.shape).normal_(generator=generator).to(images)
    start = (noise / 20 + 0.5).clamp(0, 1)
    return _matching(model, start, images, None, over, pace, frames, progress)


def interpolate(
    model: Classifier,
    first: Images,
    second: Images,
    *,
    count: int = 10,
    pace: Pace = INVERSION,
    progress: Progress = silent,
) -> Drawing:
    """`count` images from each `first` to its `second`, in rows one after the other: starts and representations are
    mixed alike (Engstrom et al. 2019, section 4.1.1).
    """
    shares = torch.linspace(0, 1, count, device=first.device).repeat(len(first))
    a, b = first.repeat_interleave(count, 0), second.repeat_interleave(count, 0)
    start = torch.lerp(a, b, shares.view(-1, 1, 1, 1))
    return _matching(model, start, a, (b, shares), "pixels", pace, 0, progress)


def _matching(
    model: Classifier,
    start: Images,
    images: Images,
    mixed: tuple[Images, torch.Tensor] | None,
    over: Over,
    pace: Pace,
    frames: int,
    progress: Progress,
) -> Drawing:
    embed = embedding_of(model)
    pace = pace.scaled(*images.shape[2:])
    threat: Threat = L2(pace.eps)
    with frozen(model):
        with torch.no_grad():
            targets = embed(images)
            if mixed is not None:
                targets = torch.lerp(targets, embed(mixed[0]), mixed[1][:, None])
        objective = EmbeddingMatch(embed, targets, relative=True)
        return draw(
            objective,
            start,
            pace,
            threat=OverFrequencies(threat) if over == "frequencies" else threat,
            frames=frames,
            progress=progress,
        )


__all__ = ["INVERSION", "Over", "interpolate", "invert"]
