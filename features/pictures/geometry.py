"""Steps that move dots: each is a matrix from the frame before to the frame after, and boxes follow."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.pictures.boxes import scaling, shift
from features.pictures.chains import Amount, drawn, least
from features.pictures.rendering import Colour, Frame, Plan, Warp

MEAN: Colour = (104.0, 117.0, 123.0)
"""Blue, green, red: the mean that SSD is trained with (arXiv:1512.02325)."""


@dataclass(frozen=True)
class Resize:
    """To ``width`` x ``height``, whatever the shape before."""

    width: int
    height: int

    def __post_init__(self) -> None:
        _at_least_one(self, self.width, self.height)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        matrix = scaling(self.width / frame.width, self.height / frame.height)
        return (Warp(matrix=matrix, width=self.width, height=self.height),)


@dataclass(frozen=True)
class ShortSide:
    """To a short side of ``length``, its shape kept to the nearest dot."""

    length: int

    def __post_init__(self) -> None:
        _at_least_one(self, self.length)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        scale = self.length / min(frame.width, frame.height)
        return Resize(round(frame.width * scale), round(frame.height * scale)).plan(frame, generator)


@dataclass(frozen=True)
class CentreCrop:
    """The ``width`` x ``height`` dots in the middle."""

    width: int
    height: int

    def __post_init__(self) -> None:
        _at_least_one(self, self.width, self.height)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        _holds(self, frame, self.width, self.height)
        return cropped((frame.width - self.width) // 2, (frame.height - self.height) // 2, self.width, self.height)


@dataclass(frozen=True)
class RandomCrop:
    """``width`` x ``height`` dots anywhere; in the middle without a generator."""

    width: int
    height: int

    def __post_init__(self) -> None:
        _at_least_one(self, self.width, self.height)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        if generator is None:
            return CentreCrop(self.width, self.height).plan(frame, None)
        _holds(self, frame, self.width, self.height)
        left = int(generator.integers(frame.width - self.width + 1))
        top = int(generator.integers(frame.height - self.height + 1))
        return cropped(left, top, self.width, self.height)


@dataclass(frozen=True)
class CropAt:
    """What ``box`` frames, in whole dots within the picture as it is then, with ``margin`` of its sides on each side."""

    box: tuple[float, float, float, float]
    margin: float = 0.0

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (left < right and top < bottom):
            raise ValueError(f"CropAt.box must be (left, top, right, bottom) with an area, got {self.box}")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        low, high = np.array(self.box[:2]), np.array(self.box[2:])
        around = (high - low) * self.margin
        size = [frame.width, frame.height]
        left, top = np.floor(low - around).clip(0, size).astype(int)
        right, bottom = np.ceil(high + around).clip(0, size).astype(int)
        if left >= right or top >= bottom:
            raise ValueError(f"CropAt.box must meet the picture of {size[0]} x {size[1]}, got {self.box}")
        return cropped(int(left), int(top), int(right - left), int(bottom - top))


@dataclass(frozen=True)
class Expand:
    """The picture anywhere on a canvas ``ratio`` times as wide and high, the rest ``fill``."""

    ratio: Amount
    fill: Colour = MEAN

    def __post_init__(self) -> None:
        if least(self.ratio) < 1:
            raise ValueError(f"Expand.ratio must be at least 1, got {self.ratio}")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        ratio = drawn(self.ratio, generator, without=1.0)
        width, height = int(frame.width * ratio), int(frame.height * ratio)
        spare = width - frame.width, height - frame.height
        left, top = (free // 2 if generator is None else int(generator.integers(free + 1)) for free in spare)
        return (Warp(matrix=shift(left, top), width=width, height=height, fill=self.fill),)


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, or top and bottom where ``vertical``."""

    vertical: bool = False

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        down, across = shift(0, frame.height) @ scaling(1, -1), shift(frame.width, 0) @ scaling(-1, 1)
        matrix = down if self.vertical else across
        return (Warp(matrix=matrix, width=frame.width, height=frame.height),)


@dataclass(frozen=True)
class Rotate:
    """Turned about its centre by ``degrees``, against the clock, in a frame of the same size; the corners left over are ``fill``.

    Without a ``fill`` they show what the picture has there, of which the frame may be a crop. A turned box is the smallest upright one
    that holds it: it frames what it did, with more around it.
    """

    degrees: Amount
    fill: Colour | None = MEAN

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        angle = np.deg2rad(drawn(self.degrees, generator, without=0.0))
        if not angle:
            return ()
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        # y grows downwards, so against the clock is the transpose of the usual rotation.
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        middle = frame.width / 2, frame.height / 2
        matrix = shift(*middle) @ turn @ shift(-middle[0], -middle[1])
        return (Warp(matrix=matrix, width=frame.width, height=frame.height, fill=self.fill),)


@dataclass(frozen=True, kw_only=True)
class Pad:
    """``fill`` added on each side, so many dots wide."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    fill: Colour = MEAN

    def __post_init__(self) -> None:
        if min(self.left, self.top, self.right, self.bottom) < 0:
            raise ValueError(f"Pad's sides must not be negative, got {self}; a crop takes dots away")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        width, height = frame.width + self.left + self.right, frame.height + self.top + self.bottom
        return (Warp(matrix=shift(self.left, self.top), width=width, height=height, fill=self.fill),)


def cropped(left: int, top: int, width: int, height: int) -> Plan:
    """The window of ``width`` x ``height`` dots at (``left``, ``top``)."""
    return (Warp(matrix=shift(-left, -top), width=width, height=height),)


def _at_least_one(step: object, *sides: int) -> None:
    if min(sides) < 1:
        raise ValueError(f"sides must be at least 1, got {step}")


def _holds(step: object, frame: Frame, width: int, height: int) -> None:
    if width > frame.width or height > frame.height:
        raise ValueError(
            f"{step} needs a picture at least as large, got {frame.width} x {frame.height}; resize or pad it before"
        )
