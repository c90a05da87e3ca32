"""How near a drawn image comes to the true one: signal to noise, structural similarity, the error in a hole."""

import torch
from jaxtyping import Float
from torch import Tensor

from notbugs.errors import NotbugsError
from notbugs.shifts.resizing import along_both, gaussian_axis
from notbugs.synthesis.marked import Marks
from notbugs.tensors import Images, PerExample

SIGMA = 1.5
LUMINANCE, CONTRAST = 0.01**2, 0.03**2


def rms_error(images: Images, originals: Images) -> PerExample:
    """The root mean square difference of the values, in pixel units."""
    return (images - originals).flatten(1).square().mean(1).sqrt()


def psnr(images: Images, originals: Images) -> PerExample:
    """10 log10(1 / mean squared difference), in decibels; infinite for equal images.

    >>> grey = torch.full((1, 3, 8, 8), 0.5)
    >>> round(psnr(grey + 0.1, grey).item(), 3)
    20.0
    """
    return -20 * rms_error(images, originals).log10()


def ssim(images: Images, originals: Images) -> PerExample:
    """Structural similarity (Wang et al. 2004, equation 13), with their Gaussian window of 1.5 pixels: 1 for equal
    images, about 0 for unrelated ones; the mean over positions and channels.

    >>> pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(ssim(pictures, pictures), torch.ones(2)), bool((ssim(pictures, 1 - pictures) < 0).all())
    (True, True)
    """
    height, width = images.shape[2:]
    down, across = (gaussian_axis(size, SIGMA, border="reflect", reach=3.5) for size in (height, width))

    def local(values: Images) -> torch.Tensor:
        return along_both(values, down, across)

    mean, other_mean = local(images), local(originals)
    variance = local(images.square()) - mean.square()
    other_variance = local(originals.square()) - other_mean.square()
    covariance = local(images * originals) - mean * other_mean
    luminance = (2 * mean * other_mean + LUMINANCE) / (mean.square() + other_mean.square() + LUMINANCE)
    structure = (2 * covariance + CONTRAST) / (variance + other_variance + CONTRAST)
    return (luminance * structure).flatten(1).mean(1)


def error_inside(images: Images, originals: Images, marks: Marks) -> PerExample:
    """The root mean square difference of the marked values. Raises NotbugsError where nothing is marked."""
    inside = marks[:, None].expand(len(images), images.shape[1], -1, -1).to(images)
    count = inside.flatten(1).sum(1)
    if not bool((count > 0).all()):
        raise NotbugsError("nothing is marked in one of the images: there is no error inside")
    return (((images - originals) * inside).square().flatten(1).sum(1) / count).sqrt()


def nearest_distance(
    images: Images, others: Float[Tensor, "others channel height width"], *, batch_size: int = 100
) -> PerExample:
    """From each image to the nearest of `others`, in L2, pixel units: about 0 for one learned by heart."""
    flat = others.flatten(1)
    parts = [torch.cdist(part.flatten(1), flat).amin(1) for part in images.split(batch_size)]
    return torch.cat(parts)


__all__ = ["error_inside", "nearest_distance", "psnr", "rms_error", "ssim"]
