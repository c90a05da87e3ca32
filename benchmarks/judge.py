"""Who succeeded: recounted for every contender in float32 on the original model, ball and box included."""

import math
from typing import Any

import torch

from notbugs.models import ImageClassifier
from notbugs.threats import L2


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % Wilson interval of a proportion."""
    p, spread = hits / n, z * z / n
    middle = (p + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(p * (1 - p) / n + spread / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@torch.no_grad()
def predictions(model: ImageClassifier, images: torch.Tensor) -> torch.Tensor:
    """The classes that the model gives, in float32."""
    return torch.cat([model(part).argmax(1) for part in images.split(256)])


def verdict(
    model: ImageClassifier, images: torch.Tensor, labels: torch.Tensor, found: torch.Tensor, eps: float
) -> dict[str, Any]:
    """Success rate among the images that were right before; an image outside the threat is no success."""
    right = predictions(model, images) == labels
    inside = L2(eps).contains(found, images)
    fooled = right & inside & (predictions(model, found) != labels)
    hits, n = int(fooled.sum()), int(right.sum())
    standing = n - hits
    return {
        "success_rate": hits / n,
        "success_interval": wilson(hits, n),
        "right_before": n,
        "fooled": hits,
        "outside_threat": int((~inside).sum()),
        "robust_accuracy": standing / len(labels),
        "robust_interval": wilson(standing, len(labels)),
    }
