"""Whether a model's gradients point where people would: from an image towards what its other class looks like."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from notbugs.audits.saliency import margin_gradients
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.tensors import Classifier, Images, Labels, PerExample

ClassMeans = Float[Tensor, "classes channel height width"]


def class_means(data: LabeledImages) -> ClassMeans:
    """The mean image of each class. Raises NotbugsError for a class without images.

    >>> from notbugs import load
    >>> class_means(load("digits")).shape
    torch.Size([10, 3, 32, 32])
    """
    counts = data.labels.bincount(minlength=data.classes)
    if not bool((counts > 0).all()):
        raise NotbugsError(
            f"class {data.class_names[int(counts.argmin())]} has no images and so no mean; give more of them"
        )
    sums = torch.zeros(data.classes, *data.images.shape[1:], device=data.images.device)
    return sums.index_add_(0, data.labels, data.images) / counts.view(-1, 1, 1, 1)


def perceptual_alignment(
    model: Classifier, images: Images, targets: Labels, means: ClassMeans, *, batch_size: int = 100
) -> PerExample:
    """The cosine between the gradient of the target's lead over the best other class and the way from the image to
    the mean of the target's class: about 0 for a gradient that looks like noise, 1 for one that leads straight there
    (Ganz et al. 2023, "Do Perceptually Aligned Gradients Imply Robustness?", their class-mean direction).

    >>> from notbugs import build, load
    >>> digits, model = load("digits").first(4), build("convnet-8-8-8-8", classes=10, seed=0)
    >>> score = perceptual_alignment(model, digits.images, (digits.labels + 1) % 10, class_means(load("digits")))
    >>> score.shape, bool((score.abs() <= 1).all())
    (torch.Size([4]), True)
    """
    gradients = margin_gradients(model, images, targets, batch_size)
    return functional.cosine_similarity(gradients.flatten(1), (means[targets] - images).flatten(1))


__all__ = ["ClassMeans", "class_means", "perceptual_alignment"]
