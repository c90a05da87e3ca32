"""The names of what crosses a boundary. Images are float32 in [0, 1], NCHW; budgets are in those pixel units."""

from collections.abc import Callable

from jaxtyping import Bool, Float, Int
from torch import Tensor

Images = Float[Tensor, "batch channel height width"]
Labels = Int[Tensor, "batch"]
Logits = Float[Tensor, "batch classes"]
Embeddings = Float[Tensor, "batch features"]
PerExample = Float[Tensor, "batch"]
Mask = Bool[Tensor, "batch"]

Classifier = Callable[[Tensor], Tensor]
"""Images in [0, 1] -> logits. Normalisation is the classifier's own business, saved with its weights."""

Objective = Callable[[Tensor], Tensor]
"""Images -> one value per image, always maximised."""

__all__ = ["Classifier", "Embeddings", "Images", "Labels", "Logits", "Mask", "Objective", "PerExample"]
