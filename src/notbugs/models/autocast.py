"""Networks in half precision, where they can."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import final

import torch

from notbugs.tensors import Classifier, Embeddings, Images, Logits


@final
class Autocast:
    """Any network under autocast, its logits (and features, if it has an `embed`) in float32.

    One that cannot work in half precision (it goes through NumPy, say) is asked in float32 from then on.
    """

    def __init__(self, model: Classifier, precision: torch.dtype) -> None:
        self._model = model
        self._precision = precision

    def __call__(self, images: Images) -> Logits:
        return self._ask(self._model, images)

    def embed(self, images: Images) -> Embeddings:
        return self._ask(self._model.embed, images)  # type: ignore[attr-defined]

    def _ask(self, function: Callable[[Images], torch.Tensor], images: Images) -> torch.Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        try:
            with autocast_context(images.device, self._precision):
                return function(images).float()
        except (RuntimeError, TypeError, ValueError) as error:
            if self._precision == torch.float32 or isinstance(error, torch.OutOfMemoryError):
                raise
            self._precision = torch.float32
            return self._ask(function, images)


def autocast_context(device: torch.device, precision: torch.dtype) -> torch.autocast | nullcontext[None]:
    """Mixed precision on `device`, or nothing when `precision` is float32."""
    if precision == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


__all__ = ["Autocast", "autocast_context"]
