"""SSD's sampled crops, and its whole augmentation (arXiv:1512.02325, section 2.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from features.pictures.boxes import Boxes, centres_inside, iou
from features.pictures.chains import Chain, OneOf, Sometimes, Step, Uniform
from features.pictures.colours import Brightness, Contrast, Hue, Saturation
from features.pictures.geometry import Expand, Flip, Resize, cropped
from features.pictures.rendering import Frame, Plan

ROUNDS = 10
"""How often another overlap is drawn where no crop has the one asked for; then the picture stays whole."""


@dataclass(frozen=True, kw_only=True)
class SampleByIoU:
    """A crop that overlaps some box by at least the IoU drawn from ``overlaps`` and holds some box's centre.

    None among the overlaps is the whole picture, 0 any crop. Sides are ``scale`` of the picture's, times and divided by the root of an
    ``aspect``. A picture without boxes is cropped by 0 and None alone; without a generator it stays whole.
    """

    overlaps: tuple[float | None, ...] = (None, 0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
    scale: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    trials: int = 50

    def __post_init__(self) -> None:
        if not self.overlaps or self.trials < 1:
            raise ValueError(f"SampleByIoU needs an overlap and a trial at least, got {self}")
        if not (0 < self.scale[0] <= self.scale[1] <= 1 and 0 < self.aspect[0] <= 1 <= self.aspect[1]):
            raise ValueError(
                f"SampleByIoU.scale must be within (0, 1] and aspect hold 1, got {self.scale=}, {self.aspect=}"
            )

    def plan(self, frame: Frame, generator: Generator | None) -> Plan:
        for _ in range(ROUNDS if generator is not None else 0):
            assert generator is not None
            overlap = self.overlaps[int(generator.integers(len(self.overlaps)))]
            if overlap is None:
                return ()
            windows = self._windows(frame, generator)
            if len(fit := _fitting(windows, frame.boxes, overlap)):
                left, top, right, bottom = (int(edge) for edge in windows[fit[0]])
                return cropped(left, top, right - left, bottom - top)
        return ()

    def _windows(self, frame: Frame, generator: Generator) -> Boxes:
        """[trials, 4], whole dots."""
        scale = generator.uniform(*self.scale, self.trials)
        narrow, wide = np.maximum(self.aspect[0], scale**2), np.minimum(self.aspect[1], scale**-2.0)
        root = np.sqrt(generator.uniform(narrow, wide))
        size = np.array([frame.width, frame.height])
        sides = (np.stack([scale * root, scale / root], axis=1) * size).astype(int).clip(1, size)
        low = generator.integers(0, size - sides + 1)
        return np.concatenate([low, low + sides], axis=1).astype(np.float64)


def _fitting(windows: Boxes, found: Boxes, overlap: float) -> np.ndarray:
    """The numbers of the windows that overlap a box enough and hold a centre."""
    if not len(found):
        return np.arange(len(windows) if overlap == 0 else 0)
    enough = (iou(windows, found) >= overlap).any(axis=1)
    return np.flatnonzero(enough & centres_inside(found, windows).any(axis=0))


def ssd(width: int = 300, height: int = 300) -> Chain:
    """SSD's augmentation; without a generator, as in validation, the resize alone. Bytes come out: the mean is the model's to take."""
    contrast, rest = (
        Sometimes(Contrast(Uniform(0.5, 1.5))),
        (
            Sometimes(Saturation(Uniform(0.5, 1.5))),
            Sometimes(Hue(Uniform(-18, 18))),
        ),
    )
    colours: tuple[Step, ...] = (
        Sometimes(Brightness(Uniform(-32, 32))),
        OneOf((Chain((contrast, *rest)), Chain((*rest, contrast)))),
    )
    places: tuple[Step, ...] = (Sometimes(Expand(Uniform(1, 4))), SampleByIoU(), Sometimes(Flip()))
    return Chain((*colours, *places, Resize(width, height)))
