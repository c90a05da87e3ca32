"""A scene for each class of CIFAR-10: what stands there, and the colours of above and below."""

from collections.abc import Callable

from notbugs.data.pen import Colour, Pen, shade

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SKIES: tuple[Colour, ...] = ((150, 190, 230), (180, 205, 225), (120, 165, 215), (205, 210, 215))
MEADOWS: tuple[Colour, ...] = ((95, 130, 60), (120, 140, 75), (80, 110, 55), (140, 135, 90))
SEAS: tuple[Colour, ...] = ((60, 95, 140), (75, 115, 150), (50, 80, 115))
ROADS: tuple[Colour, ...] = ((120, 120, 122), (140, 135, 130), (100, 100, 105))
PAINTS: tuple[Colour, ...] = ((190, 40, 40), (40, 70, 150), (225, 225, 225), (200, 160, 40), (60, 60, 65))
FURS: tuple[Colour, ...] = ((120, 80, 45), (90, 65, 45), (160, 120, 80), (70, 60, 55))
CATS: tuple[Colour, ...] = ((190, 130, 70), (130, 130, 130), (70, 65, 65), (215, 200, 175))
GREENS: tuple[Colour, ...] = ((90, 140, 40), (120, 150, 50), (80, 110, 45))
DARK: Colour = (35, 32, 30)


def _airplane(pen: Pen) -> None:
    body = pen.one_of(((235, 235, 238), (210, 215, 222), (190, 195, 205)))
    pen.shape(shade(body, 0.75), (0.46, 0.52), (0.3, 0.8), (0.38, 0.8), (0.62, 0.53))
    pen.oval(body, 0.5, 0.5, 0.38, 0.075)
    pen.shape(body, (0.13, 0.48), (0.08, 0.28), (0.17, 0.28), (0.28, 0.46))
    pen.shape(shade(body, 0.85), (0.48, 0.47), (0.36, 0.3), (0.43, 0.3), (0.62, 0.47))
    pen.shape(DARK, (0.78, 0.46), (0.84, 0.47), (0.84, 0.49), (0.78, 0.49))
    for window in range(6):
        pen.oval(DARK, 0.36 + 0.06 * window, 0.485, 0.012, 0.014)


def _automobile(pen: Pen) -> None:
    paint = pen.one_of(PAINTS)
    pen.shape(paint, (0.08, 0.68), (0.1, 0.54), (0.28, 0.5), (0.72, 0.5), (0.9, 0.56), (0.93, 0.68))
    pen.shape(paint, (0.26, 0.52), (0.36, 0.36), (0.62, 0.36), (0.74, 0.52))
    pen.shape((170, 195, 210), (0.3, 0.5), (0.38, 0.39), (0.48, 0.39), (0.48, 0.5))
    pen.shape((150, 180, 200), (0.51, 0.5), (0.51, 0.39), (0.6, 0.39), (0.69, 0.5))
    for middle in (0.27, 0.73):
        pen.oval(DARK, middle, 0.69, 0.095, 0.095)
        pen.oval((160, 160, 165), middle, 0.69, 0.045, 0.045)
    pen.oval((250, 240, 190), 0.9, 0.59, 0.025, 0.025)


def _bird(pen: Pen) -> None:
    feathers = pen.one_of(((90, 80, 70), (70, 90, 130), (150, 90, 60), (60, 60, 62)))
    pen.line((90, 65, 45), 0.05, (0.0, 0.84), (1.0, 0.78))
    for leg in (0.46, 0.54):
        pen.line((150, 110, 60), 0.02, (leg, 0.68), (leg + 0.01, 0.81))
    pen.shape(shade(feathers, 0.7), (0.3, 0.6), (0.08, 0.8), (0.16, 0.84), (0.42, 0.7))
    pen.oval(feathers, 0.48, 0.56, 0.2, 0.15)
    pen.oval(shade(feathers, 1.5), 0.54, 0.62, 0.12, 0.09)
    pen.shape(shade(feathers, 0.75), (0.32, 0.5), (0.56, 0.5), (0.4, 0.68), (0.24, 0.66))
    pen.oval(feathers, 0.66, 0.4, 0.1, 0.095)
    pen.shape((220, 160, 50), (0.74, 0.37), (0.87, 0.42), (0.74, 0.44))
    pen.oval((245, 245, 240), 0.68, 0.38, 0.022, 0.022)
    pen.oval(DARK, 0.685, 0.38, 0.014, 0.014)


def _head(pen: Pen, fur: Colour, *, pointed: bool) -> None:
    """A cat's or a dog's face from the front: ears up, or hanging."""
    pen.oval(shade(fur, 0.9), 0.5, 0.95, 0.32, 0.28)
    if pointed:
        for side in (-1, 1):
            pen.shape(fur, (0.5 + 0.31 * side, 0.1), (0.5 + 0.33 * side, 0.42), (0.5 + 0.08 * side, 0.26))
            inner = (0.5 + 0.27 * side, 0.18), (0.5 + 0.27 * side, 0.34), (0.5 + 0.15 * side, 0.28)
            pen.shape((225, 165, 150), *inner)
    pen.oval(fur, 0.5, 0.48, 0.32, 0.29)
    if not pointed:
        for side in (-1, 1):
            pen.oval(shade(fur, 0.6), 0.5 + 0.31 * side, 0.46, 0.1, 0.24)
    pen.oval(shade(fur, 1.35), 0.5, 0.6, 0.15 if pointed else 0.18, 0.13 if pointed else 0.18)
    for side in (-1, 1):
        pen.oval((150, 180, 70) if pointed else (250, 250, 245), 0.5 + 0.14 * side, 0.44, 0.06, 0.045)
        pen.oval(DARK, 0.5 + 0.14 * side, 0.44, 0.022 if pointed else 0.04, 0.042)
    nose = (210, 130, 120) if pointed else DARK
    pen.shape(nose, (0.44, 0.54), (0.56, 0.54), (0.5, 0.61))
    pen.line(DARK, 0.015, (0.42, 0.68), (0.5, 0.64), (0.58, 0.68))
    if pointed:
        for side in (-1, 1):
            for rise in (-0.03, 0.02, 0.07):
                pen.line((235, 230, 220), 0.008, (0.5 + 0.1 * side, 0.61), (0.5 + 0.36 * side, 0.58 + rise))
        for stripe in (-0.07, 0.0, 0.07):
            pen.line(shade(fur, 0.6), 0.025, (0.5 + stripe, 0.21), (0.5 + stripe, 0.31))


def _cat(pen: Pen) -> None:
    _head(pen, pen.one_of(CATS), pointed=True)


def _dog(pen: Pen) -> None:
    _head(pen, pen.one_of(((200, 170, 130), (235, 225, 210), (130, 95, 60))), pointed=False)


def _four_legs(pen: Pen, fur: Colour, *, legs: float, neck: float) -> tuple[float, float]:
    """A body from the side; where its head begins."""
    for leg, dark in ((0.26, 0.7), (0.36, 1.0), (0.6, 0.7), (0.68, 1.0)):
        pen.shape(shade(fur, dark), (leg, 0.55), (leg + 0.07, 0.55), (leg + 0.05, legs), (leg + 0.01, legs))
    pen.oval(fur, 0.48, 0.52, 0.27, 0.13)
    pen.shape(fur, (0.58, 0.56), (0.76, 0.5), (0.84, neck), (0.73, neck))
    return 0.8, neck


def _deer(pen: Pen) -> None:
    fur = pen.one_of(((160, 110, 65), (140, 95, 60), (175, 130, 85)))
    x, y = _four_legs(pen, fur, legs=0.9, neck=0.3)
    pen.oval((235, 225, 205), 0.22, 0.5, 0.04, 0.06)
    pen.oval(fur, x + 0.03, y, 0.1, 0.055)
    pen.oval(DARK, x + 0.12, y + 0.01, 0.018, 0.018)
    pen.oval(shade(fur, 0.8), x - 0.07, y - 0.06, 0.05, 0.025)
    for lean in (0.0, 0.07):
        pen.line(
            (110, 85, 60), 0.022, (x - 0.02 + lean, y - 0.04), (x - 0.08 + lean, 0.14), (x + 0.0 + lean, 0.04)
        )
        pen.line((110, 85, 60), 0.018, (x - 0.07 + lean, 0.17), (x - 0.16 + lean, 0.08))


def _horse(pen: Pen) -> None:
    fur = pen.one_of(FURS)
    x, y = _four_legs(pen, fur, legs=0.93, neck=0.26)
    pen.shape(shade(fur, 0.5), (0.24, 0.44), (0.12, 0.56), (0.12, 0.78), (0.19, 0.72), (0.27, 0.52))
    muzzle = (x + 0.17, y + 0.13), (x + 0.1, y + 0.17)
    pen.shape(fur, (x - 0.07, y - 0.06), (x + 0.06, y - 0.04), *muzzle, (x - 0.05, y + 0.08))
    pen.shape(fur, (x - 0.05, y - 0.04), (x - 0.03, y - 0.13), (x + 0.02, y - 0.04))
    pen.shape(shade(fur, 0.45), (x - 0.07, y - 0.06), (x - 0.12, y + 0.02), (0.58, 0.46), (0.66, 0.44))


def _frog(pen: Pen) -> None:
    skin = pen.one_of(GREENS)
    for side in (-1, 1):
        pen.oval(shade(skin, 0.7), 0.5 + 0.28 * side, 0.72, 0.16, 0.14)
        pen.oval(shade(skin, 0.8), 0.5 + 0.36 * side, 0.85, 0.12, 0.035)
    pen.oval(skin, 0.5, 0.62, 0.3, 0.25)
    pen.oval((205, 210, 140), 0.5, 0.74, 0.2, 0.13)
    for side in (-1, 1):
        pen.oval(skin, 0.5 + 0.17 * side, 0.38, 0.095, 0.095)
        pen.oval((225, 200, 80), 0.5 + 0.17 * side, 0.37, 0.06, 0.06)
        pen.oval(DARK, 0.5 + 0.17 * side, 0.37, 0.04, 0.022)
    pen.line(shade(skin, 0.4), 0.02, (0.27, 0.55), (0.4, 0.6), (0.6, 0.6), (0.73, 0.55))


def _ship(pen: Pen) -> None:
    hull = pen.one_of(((190, 45, 45), (45, 60, 95), (55, 55, 60), (230, 230, 232)))
    pen.shape((240, 240, 240), (0.3, 0.6), (0.32, 0.44), (0.66, 0.44), (0.68, 0.6))
    pen.shape((225, 225, 228), (0.38, 0.45), (0.4, 0.34), (0.58, 0.34), (0.6, 0.45))
    pen.shape(pen.one_of(PAINTS), (0.45, 0.34), (0.46, 0.2), (0.55, 0.2), (0.54, 0.34))
    pen.line(DARK, 0.012, (0.74, 0.6), (0.74, 0.22))
    pen.shape(hull, (0.06, 0.58), (0.95, 0.56), (0.86, 0.76), (0.16, 0.76))
    for window in range(6):
        pen.oval(DARK, 0.36 + 0.055 * window, 0.52, 0.015, 0.02)


def _truck(pen: Pen) -> None:
    paint, box = pen.one_of(PAINTS), pen.one_of(((225, 225, 225), (200, 180, 140), (150, 160, 175)))
    pen.shape(box, (0.04, 0.24), (0.64, 0.24), (0.64, 0.72), (0.04, 0.72))
    pen.shape(shade(box, 0.85), (0.04, 0.24), (0.64, 0.24), (0.64, 0.29), (0.04, 0.29))
    pen.shape(paint, (0.67, 0.36), (0.84, 0.36), (0.95, 0.54), (0.95, 0.74), (0.67, 0.74))
    pen.shape((165, 190, 205), (0.72, 0.4), (0.82, 0.4), (0.89, 0.53), (0.72, 0.53))
    pen.shape(DARK, (0.04, 0.72), (0.95, 0.72), (0.95, 0.76), (0.04, 0.76))
    for middle in (0.16, 0.34, 0.8):
        pen.oval(DARK, middle, 0.78, 0.085, 0.085)
        pen.oval((165, 165, 168), middle, 0.78, 0.035, 0.035)


Scene = tuple[Callable[[Pen], None], tuple[Colour, ...], tuple[Colour, ...], float]
SCENES: tuple[Scene, ...] = (
    (_airplane, SKIES, SKIES, 1.0),
    (_automobile, SKIES, ROADS, 0.6),
    (_bird, SKIES, SKIES, 1.0),
    (_cat, ((170, 150, 130), (140, 140, 145), (185, 165, 140)), ((120, 100, 85), (150, 140, 130)), 0.75),
    (_deer, ((110, 125, 85), (150, 165, 140)), MEADOWS, 0.55),
    (_dog, ((120, 145, 95), (165, 160, 150), (140, 165, 180)), MEADOWS, 0.7),
    (_frog, ((95, 105, 70), (80, 95, 60)), ((110, 95, 70), (90, 100, 60)), 0.6),
    (_horse, SKIES, MEADOWS, 0.55),
    (_ship, SKIES, SEAS, 0.62),
    (_truck, SKIES, ROADS, 0.65),
)
"""For each class what stands there, the colours above and below, and how far down the one gives way to the other."""

__all__ = ["CLASSES", "SCENES"]
