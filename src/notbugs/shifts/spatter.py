"""Spatter on the lens: drops of water that show their rims, or mud.

The water follows the authors' chain of OpenCV calls: the edges of the drops (Canny), the distance to the nearest
edge, its histogram made even, an emboss, and a soft blur; batched here, with the exact distance for a chamfer.
"""

import torch
from torch import Tensor

from notbugs.shifts.blurs import blurred
from notbugs.shifts.contours import Planes, distances, edges
from notbugs.shifts.draws import Draws
from notbugs.shifts.resizing import framed
from notbugs.shifts.severity import Parameters
from notbugs.shifts.weather import grey
from notbugs.tensors import Images

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)

FAR = 20
"""Distances to an edge count up to so many pixels."""


def spatter(images: Images, given: Parameters, draws: Draws) -> Images:
    """Water at the lower severities, mud at the higher."""
    mean, spread, sigma, least, strength, muddy = given
    height, width = images.shape[2:]
    liquid = blurred(draws.normal(1, height, width).mul_(spread).add_(mean), sigma)
    drops = liquid.clone().ge_(least)
    if muddy < 0.5:
        light = rims(liquid.mul_(drops)[:, 0])[:, None] * strength
        return torch.addcmul(images, light, _colour(WATER, images))
    cover = blurred(drops, strength)
    cover.mul_(cover.clone().ge_(0.8))
    return torch.lerp(images, _colour(MUD, images), cover)


def _colour(colour: tuple[float, float, float], images: Images) -> Tensor:
    tint = torch.tensor(colour, device=images.device).view(1, 3, 1, 1)
    return grey(tint) if images.shape[1] == 1 else tint


def rims(liquid: Planes) -> Planes:
    """Where drops shine, from 0 to 1."""
    bytes_ = (liquid * 255).floor_().clamp_(0, 255)
    distance = distances(edges(bytes_, low=50, high=150), limit=FAR)
    raised = _embossed(_evened(_box_blurred(distance).floor_())).clamp_(0, 255)
    light = _box_blurred(raised).round_().mul_(bytes_)
    return light / light.amax((1, 2), keepdim=True).clamp_min(1e-12)


def _box_blurred(planes: Planes) -> Planes:
    around = framed(planes[:, None], 1)[:, 0]
    rows = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]).div_(9)


def _embossed(planes: Planes) -> Planes:
    """Lit from the top left: correlated with (-2, -1, 0), (-1, 1, 1), (0, 1, 2)."""
    around = framed(planes[:, None], 1)[:, 0]
    before, here, after = around[:, :-2], around[:, 1:-1], around[:, 2:]
    slanted = after[:, :, 2:] - before[:, :, :-2]
    straight = after[:, :, 1:-1] - before[:, :, 1:-1] + here[:, :, 2:] - here[:, :, :-2]
    return straight.add_(slanted, alpha=2).add_(planes)


def _evened(planes: Planes) -> Planes:
    """OpenCV's equalizeHist of whole numbers from 0 to FAR: each becomes its share of the darker ones."""
    count, levels = len(planes), FAR + 1
    first = torch.arange(count, device=planes.device)[:, None, None] * levels
    places = (planes.int() + first.int()).flatten()
    histogram = torch.bincount(places, minlength=count * levels).view(count, levels)
    rising = histogram.cumsum(1)
    least = histogram.gather(1, (histogram > 0).long().argmax(1, keepdim=True))
    room = rising[:, -1:] - least
    table = ((rising - least) * (255 / room.clamp_min(1))).round_().clamp_(0, 255)
    same = torch.arange(levels, dtype=table.dtype, device=table.device)
    table = torch.where(room == 0, same, table)  # one level only: it stays
    return table.flatten().index_select(0, places).view_as(planes)


__all__ = ["rims", "spatter"]
