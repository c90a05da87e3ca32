"""Who succeeded: recounted for every contender in float32 on the original model, ball and box included."""

from typing import Any

import torch

from notbugs.audits import Proportion, predictions
from notbugs.models import ImageClassifier
from notbugs.threats import Threat


def verdict(
    model: ImageClassifier, images: torch.Tensor, labels: torch.Tensor, found: torch.Tensor, threat: Threat
) -> dict[str, Any]:
    """Success rate among the images that were right before; an image outside the threat is no success."""
    right = predictions(model, images) == labels
    inside = threat.contains(found, images)
    fooled = right & inside & (predictions(model, found) != labels)
    hits = Proportion(int(fooled.sum()), int(right.sum()))
    standing = Proportion(hits.n - hits.count, len(labels))
    return {
        "success_rate": hits.value,
        "success_interval": hits.interval,
        "right_before": hits.n,
        "fooled": hits.count,
        "outside_threat": int((~inside).sum()),
        "robust_accuracy": standing.value,
        "robust_interval": standing.interval,
    }
