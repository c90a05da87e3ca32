"""Do the labels and the predictions speak of the same thing? If not, robust accuracy has nothing to lose."""

import torch

from notbugs.audits.flag import Flag
from notbugs.tensors import Labels, Mask

CONSTANT = 0.9
"""Predictions are near-constant if one class has this share of them, and less than half of the labels."""

GAINED, REACHED = 0.3, 0.6
"""Labels look renamed if a renaming raises the accuracy by the one, to the other. Random features may gain as much,
but do not reach that far.
"""


def chance_accuracy(right: Mask, labels: Labels) -> Flag | None:
    """Accuracy within one standard error of always naming the commonest label."""
    n = len(labels)
    commonest = float(labels.bincount().max()) / n
    accuracy = float(right.cpu().double().mean())
    # Where one label is nearly all there is, no accuracy can stand out.
    if commonest > CONSTANT or accuracy > commonest + (commonest * (1 - commonest) / n) ** 0.5:
        return None
    return Flag(
        "chance_accuracy",
        f"Before any attack {int(right.sum())} of {n} images are right; always naming the commonest label gives "
        f"{round(commonest * n)}.",
        "Check the labels, the order of the classes and the preprocessing: images that start wrong measure nothing.",
    )


def constant_predictions(predicted: Labels, labels: Labels) -> Flag | None:
    """Nearly all images get one class, though the labels vary."""
    n, counts = len(labels), predicted.bincount()
    favourite = int(counts.argmax())
    if int(counts.max()) < CONSTANT * n or int((labels == favourite).sum()) >= 0.5 * n:
        return None
    return Flag(
        "constant_predictions",
        f"{int(counts.max())} of {n} images are given class {favourite}, {int((labels == favourite).sum())} have it.",
        "Check that the weights were loaded and that the images are scaled as in training; what hardly looks at its "
        "input is robust for nothing.",
    )


def renamed_labels(predicted: Labels, labels: Labels) -> Flag | None:
    """The predictions fit the labels under other names: shifted by one, sorted otherwise, two classes swapped.

    Each prediction is renamed to the commonest label among the *other* images that got it, so that chance
    agreements, which any small sample has, do not count.
    """
    n, size = len(labels), int(torch.cat([predicted, labels]).max()) + 1
    together = (predicted * size + labels).bincount(minlength=size * size).view(size, size)
    others = together[predicted]
    others[torch.arange(n, device=labels.device), labels] -= 1
    fits = (others.argmax(1) == labels) & (others.amax(1) > 0)
    as_they_are, renamed = int((predicted == labels).sum()), int(fits.sum())
    if renamed - as_they_are < GAINED * n or renamed < REACHED * n:
        return None
    return Flag(
        "renamed_labels",
        f"Predictions agree with the labels on {as_they_are} of {n} images, and on {renamed} once the classes are "
        "renamed.",
        "Put the labels in the order in which the model knows the classes: they look shifted or permuted.",
    )


__all__ = ["chance_accuracy", "constant_predictions", "renamed_labels"]
