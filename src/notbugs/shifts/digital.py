"""What software does to images: contrast, brightness, saturation, pixelation, elastic distortion."""

import torch
from torch import Tensor
from torch.nn import functional

from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import along_both, box_axis, gaussian_axis, nearest
from notbugs.shifts.severity import Parameters
from notbugs.tensors import Images


def contrast(images: Images, given: Parameters, draws: Draws) -> Images:
    """Towards the mean of each channel."""
    (kept,) = given
    means = images.mean((2, 3), keepdim=True)
    return torch.lerp(means, images, kept)


_SPECK = 1e-12
"""Added above and below a fraction: less than any image can hold, it decides only 0 / 0."""


def brightness(images: Images, given: Parameters, draws: Draws) -> Images:
    """The value in HSV, raised: hue and saturation stay."""
    (raised,) = given
    value = images.amax(1, keepdim=True)
    return (images + _SPECK) * (value + raised).clamp_(0, 1).div_(value + _SPECK)


def saturate(images: Images, given: Parameters, draws: Draws) -> Images:
    """The saturation in HSV, scaled and raised; what is grey counts as red."""
    scale, raised = given
    value = images.amax(1, keepdim=True)
    range_ = value - images.amin(1, keepdim=True) + _SPECK
    saturation = (range_ / (value + _SPECK)).mul_(scale).add_(raised).clamp_(0, 1)
    # By how much each channel is less than the strongest: value * saturation * a share.
    below = value - images
    if images.shape[1] == 3:
        below[:, 1:] += _SPECK
    return value - below.mul_(saturation.mul_(value).div_(range_))


def pixelate(images: Images, given: Parameters, draws: Draws) -> Images:
    """Shrunk to means of boxes, which are rounded to bytes, and enlarged again."""
    (scale,) = given
    height, width = images.shape[2:]
    small = [max(1, int(side * scale)) for side in (height, width)]
    shrunk = along_both(images, box_axis(height, small[0]), box_axis(width, small[1]))
    rows, columns = (
        nearest(one, side, images.device) for one, side in zip(small, (height, width), strict=True)
    )
    return shrunk.mul_(255).round_().div_(255).index_select(3, columns).index_select(2, rows)


def elastic_transform(images: Images, given: Parameters, draws: Draws) -> Images:
    """A random affine map, then a smooth random displacement of every pixel."""
    strength, smoothness, skew = given
    height, width = images.shape[2:]
    side = height
    corners = draws.uniform(3, 2, low=-1.0, high=1.0) * (skew * side)
    if skew > 0:
        images = _affine(images, corners)
    noise = draws.coarse(2, height, width, low=-1.0, high=1.0)
    smooth = along_both(
        noise,
        gaussian_axis(height, smoothness * side, border="reflect", reach=3.0),
        gaussian_axis(width, smoothness * side, border="reflect", reach=3.0),
    )
    # In the units of grid_sample, the borders of the image are -1 and 1.
    steps = torch.tensor([2 / width, 2 / height], device=images.device) * (strength * side)
    across, down = smooth.mul_(steps.view(2, 1, 1)).unbind(1)
    y, x = ((2 * torch.arange(size, device=images.device) + 1) / size - 1 for size in (height, width))
    grid = torch.stack([across, down], -1).add_(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def _affine(images: Images, moved: Tensor) -> Images:
    """Each image under the affine map that moves three points around its middle by `moved` (images, 3, (x, y)).

    The points are those of the authors' code, which takes the height for x and the width for y.
    """
    height, width = images.shape[2:]
    center = torch.tensor([float(height // 2), float(width // 2)], device=images.device)
    reach = float(min(height, width) // 3)
    offsets = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], device=images.device)
    before = center + reach * offsets
    after = (before + moved).double()
    # From where each new pixel comes: the map from `after` back to `before`.
    framed = torch.cat([after, torch.ones_like(after[..., :1])], dim=2)
    back = torch.linalg.solve(framed, before.double().expand_as(after))  # (images, 3, 2)
    # In the units of grid_sample: from -1, the first pixel, to 1, the last.
    half = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=images.device).double() / 2
    back[:, 2] += back[:, 0] * half[0] + back[:, 1] * half[1]
    right, below, first = ((part / half).float()[:, None, None] for part in back.unbind(1))
    y, x = (
        torch.linspace(-1, 1, size, device=images.device)
        if size > 1
        else torch.zeros(1, device=images.device)
        for size in (height, width)
    )
    right, below = right * half[0].float(), below * half[1].float()
    grid = (right * x[:, None] + first - 1) + (below * y[:, None, None])
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=True
    )


__all__ = ["brightness", "contrast", "elastic_transform", "pixelate", "saturate"]
