"""Steps that change the colour of each dot by itself; they work on bytes by tables of 256 entries, so each costs one look-up a dot."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from features.pictures.chains import Amount, drawn, least
from features.pictures.rendering import Colour, Frame, Pixels, Plan

LEVELS = np.arange(256, dtype=np.float64)
ONES: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Brightness:
    """``delta`` added to every channel."""

    delta: Amount

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        delta = drawn(self.delta, generator, without=0.0)
        return (Table(entries=_bytes(LEVELS + delta)),) if delta else ()


@dataclass(frozen=True)
class Contrast:
    """Every channel times ``factor``."""

    factor: Amount

    def __post_init__(self) -> None:
        _not_negative(self, self.factor)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        factor = drawn(self.factor, generator, without=1.0)
        return (Table(entries=_bytes(LEVELS * factor)),) if factor != 1 else ()


@dataclass(frozen=True)
class Hue:
    """Hue turned by ``degrees`` of 360, to the nearest 2: a byte holds it in 180 steps."""

    degrees: Amount

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        steps = round(drawn(self.degrees, generator, without=0.0) / 2)
        turned = ((LEVELS + steps) % 180).astype(np.uint8)
        return (HueSaturation(hue=turned, saturation=_bytes(LEVELS)),) if steps % 180 else ()


@dataclass(frozen=True)
class Saturation:
    """Saturation times ``factor``; 0 is grey."""

    factor: Amount

    def __post_init__(self) -> None:
        _not_negative(self, self.factor)

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        factor = drawn(self.factor, generator, without=1.0)
        return (HueSaturation(hue=_bytes(LEVELS), saturation=_bytes(LEVELS * factor)),) if factor != 1 else ()


@dataclass(frozen=True)
class Reverse:
    """The channels' order reversed: blue, green, red to red, green, blue, and back."""

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        return (reversed_channels,)


@dataclass(frozen=True)
class Normalise:
    """(channel - mean) / deviation as float32, each channel by its own, in the order that the channels have then.

    SSD's pixel mean is ``Normalise(MEAN)``; ImageNet's is ``Normalise((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))``.
    """

    mean: Colour
    deviation: Colour = ONES

    def __post_init__(self) -> None:
        if min(self.deviation) <= 0:
            raise ValueError(f"Normalise.deviation must be positive, got {self.deviation}")

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        entries = (LEVELS[:, None] - self.mean) / self.deviation
        return (Table(entries=entries.astype(np.float32)),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Each byte becomes its entry: of one table [256], or of each channel's own [256, 3]."""

    entries: NDArray[Any]

    def __call__(self, pixels: Pixels) -> Pixels:
        _needs_bytes(pixels)
        return cv2.LUT(pixels, self.entries if self.entries.ndim == 1 else self.entries[None])


@dataclass(frozen=True, kw_only=True, eq=False)
class HueSaturation:
    """Hue and saturation of each dot become their entries of tables [256]; value stays."""

    hue: NDArray[np.uint8]
    saturation: NDArray[np.uint8]

    def __call__(self, pixels: Pixels) -> Pixels:
        _needs_bytes(pixels)
        entries = np.stack([self.hue, self.saturation, LEVELS.astype(np.uint8)], axis=1)
        turned = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV), entries[None])
        return cv2.cvtColor(turned, cv2.COLOR_HSV2BGR)


def reversed_channels(pixels: Pixels) -> Pixels:
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return values.round().clip(0, 255).astype(np.uint8)


def _not_negative(step: object, factor: Amount) -> None:
    if least(factor) < 0:
        raise ValueError(f"a factor must not be negative, got {step}")


def _needs_bytes(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8:
        raise TypeError(f"colours are changed on bytes (uint8), got {pixels.dtype}; normalise last")
