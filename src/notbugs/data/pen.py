"""A pen for small pictures: shapes in the coordinates of the picture, at a place and size of their own."""

import torch
from PIL import Image, ImageDraw

SIDE, FINE = 32, 8
"""Pixels of a picture, and how many times finer it is drawn, so that edges are smooth."""

Colour = tuple[int, int, int]


class Pen:
    """Draws shapes in the coordinates of the picture, 0 to 1 from its upper left corner."""

    def __init__(self, draw: torch.Generator, background: Image.Image) -> None:
        self.draw, self.picture = draw, background
        self.canvas = ImageDraw.Draw(background)
        self.scale = 0.85 + 0.25 * self.uniform()
        self.shift = (0.1 * (self.uniform() - 0.5), 0.08 * (self.uniform() - 0.5))
        self.mirrored = self.uniform() < 0.5

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.draw))

    def one_of(self, colours: tuple[Colour, ...]) -> Colour:
        return colours[int(torch.randint(len(colours), (), generator=self.draw))]

    def shape(self, colour: Colour, *corners: tuple[float, float]) -> None:
        self.canvas.polygon([self._place(*corner) for corner in corners], fill=colour)

    def oval(self, colour: Colour, x: float, y: float, across: float, down: float) -> None:
        """About its middle, with its half axes."""
        (left, top), (right, bottom) = self._place(x - across, y - down), self._place(x + across, y + down)
        self.canvas.ellipse([min(left, right), top, max(left, right), bottom], fill=colour)

    def line(self, colour: Colour, width: float, *points: tuple[float, float]) -> None:
        thick = max(1, round(width * self.scale * SIDE * FINE))
        self.canvas.line([self._place(*point) for point in points], fill=colour, width=thick, joint="curve")

    def _place(self, x: float, y: float) -> tuple[float, float]:
        x, y = 0.5 + self.scale * (x - 0.5) + self.shift[0], 0.5 + self.scale * (y - 0.5) + self.shift[1]
        return (1 - x if self.mirrored else x) * SIDE * FINE, y * SIDE * FINE


def shade(colour: Colour, by: float) -> Colour:
    red, green, blue = (max(0, min(255, round(value * by))) for value in colour)
    return red, green, blue


__all__ = ["FINE", "SIDE", "Colour", "Pen", "shade"]
