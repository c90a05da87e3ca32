"""Whether a classifier and images belong together, and what it answers: asked once, before any work."""

import torch

from notbugs.errors import NotbugsError
from notbugs.models.frozen import frozen
from notbugs.tensors import Classifier, Images


def require_logits(model: Classifier, images: Images, *, classes: int) -> int:
    """How many logits `model` gives to each image. Raises NotbugsError unless these are `classes` or more.

    >>> require_logits(lambda images: images.mean((2, 3)), torch.zeros(2, 3, 4, 4), classes=3)
    3
    """
    if not callable(model):
        raise NotbugsError(f"the model is {type(model).__name__}; expected a callable from images to logits")
    some = images[:2].clone()
    try:
        with frozen(model), torch.no_grad():
            logits = model(some)
    except NotbugsError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotbugsError(
            f"the model cannot take float32 images of shape {tuple(some.shape[1:])}: {reason}"
            f"{_grey_hint(model, some)}"
        ) from error
    if not torch.equal(some, images[:2]):
        raise NotbugsError("the model changes its images in place: let it work on a copy (images.clone())")
    _require_rows("the model", logits, len(some), f"logits of shape ({len(some)}, {classes})")
    if not logits.is_floating_point():
        raise NotbugsError(f"the model gives {logits.dtype}, expected logits (real numbers), not labels")
    if logits.shape[1] < classes:
        raise NotbugsError(f"the model has {logits.shape[1]} classes, the data have {classes}")
    return int(logits.shape[1])


def require_features(model: Classifier, images: Images) -> int:
    """How many features `model.embed` gives to each image. Raises NotbugsError unless it gives a row of numbers."""
    if not hasattr(model, "embed"):
        raise NotbugsError(
            f"{type(model).__name__} has no embed(); give it one: wrap(model, image_shape=...)"
        )
    some = images[:2]
    with frozen(model), torch.no_grad():
        features = model.embed(some)
    _require_rows("embed()", features, len(some), f"features of shape ({len(some)}, n): flatten them")
    if not features.is_floating_point():
        raise NotbugsError(f"embed() gives {features.dtype}, expected real numbers")
    return int(features.shape[1])


def _require_rows(giver: str, given: object, count: int, expected: str) -> None:
    if isinstance(given, torch.Tensor) and given.dim() == 2 and len(given) == count:
        return
    shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    raise NotbugsError(f"{giver} gives {shape} to {count} images, expected {expected}")


def _grey_hint(model: Classifier, images: Images) -> str:
    """What to do where the same images would do in grey."""
    try:
        with frozen(model), torch.no_grad():
            model(images.mean(1, keepdim=True))
    except Exception:  # whatever a stranger's model raises; the error that is told is its first one
        return ""
    return (
        "; it takes grey images: wrap it in a factory whose forward begins with images.mean(1, keepdim=True)"
    )


def answers_of(model: Classifier, images: Images) -> str:
    """The two highest logits of each of the first eight images, to three digits; empty if the answers vary.

    What decides a model's answers is more than its weights: a temperature, the code that it imports, an array inside
    a function. A change of these shows here, and rounding does not.

    >>> answers_of(lambda images: images.mean((2, 3)), torch.zeros(1, 3, 4, 4))
    '0,0'
    """
    with frozen(model), torch.no_grad():
        first, second = (model(images[:8].clone()).float() for _ in range(2))
    if not torch.allclose(first, second, rtol=1e-4, equal_nan=True):
        return ""
    highest = first.topk(min(2, first.shape[1]), dim=1).values
    return " ".join(",".join(f"{value:.3g}" for value in row) for row in highest.tolist())


__all__ = ["answers_of", "require_features", "require_logits"]
