"""A picture's bytes and boxes made ready for a model: one function, called by training's loaders and by Spark's tasks alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from features.pictures.boxes import Boxes, boxes
from features.pictures.chains import Chain, Framed
from features.pictures.decoding import decode
from features.pictures.geometry import CropAt, Resize, Rotate
from features.pictures.headers import Limits
from features.pictures.rendering import Pixels

Targets = NDArray[np.float32]
"""[n, 6]: left, top, right, bottom, the class by its number, and 1 for a difficult one, which does not count in VOC's metric."""
WIDTH = 6
BOX_BYTES = 4 * WIDTH
NONE = -1.0
"""Fills the rows of targets that are no box."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Decodes and goes through ``chain``; ``BadPicture`` is raised for bytes that are no picture within ``limits``."""

    chain: Chain
    limits: Limits = field(default_factory=Limits)

    def __call__(self, data: bytes | None, boxes: ArrayLike = (), generator: Generator | None = None) -> Framed:
        return self.chain(decode(data, self.limits), boxes, generator)

    def with_targets(
        self, data: bytes | None, packed: bytes | None, generator: Generator | None = None
    ) -> tuple[Pixels, Targets]:
        """The picture, and the targets of boxes that are still in it; ``packed`` is what ``pack`` makes of a picture's."""
        targets = unpack(packed)
        seen = self(data, targets[:, :4], generator)
        return seen.pixels, np.concatenate([seen.boxes, targets[seen.rows, 4:]], axis=1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What training calls for each row, as ``(x, y, generator)``: x is bytes and y packed targets, or dicts that hold them by name.

    The picture comes back as [3, height, width], or as it is decoded where ``channels_last``; targets as [most, 6], so that pictures with
    few boxes and with many make one batch: rows behind the last box are ``NONE``. Without targets (scoring) y stays as it is.
    """

    preparation: Preparation
    picture: str | None = None
    targets: str | None = None
    most: int = 100
    channels_last: bool = False

    def __call__(self, x: Any, y: Any, generator: Generator | None) -> tuple[Any, Any]:
        packed = _item(y, self.targets)
        pixels, found = self.preparation.with_targets(_item(x, self.picture), packed, generator)
        pixels = pixels if self.channels_last else np.ascontiguousarray(pixels.transpose(2, 0, 1))
        return _with(x, self.picture, pixels), y if packed is None else _with(y, self.targets, self._filled(found))

    def _filled(self, found: Targets) -> Targets:
        if len(found) > self.most:
            raise ValueError(f"a picture must have at most {self.most} boxes (Loading.most), got {len(found)}")
        filled = np.full((self.most, WIDTH), NONE, np.float32)
        filled[: len(found)] = found
        return filled


def pack(framed: Boxes, classes: ArrayLike, difficult: ArrayLike = 0) -> bytes:
    """Boxes with the numbers of their classes as the bytes of ``Targets``, for a binary column."""
    numbers = np.asarray(classes, dtype=np.float32)
    if numbers.shape != (len(framed),):
        raise ValueError(
            f"each box must have a class, got {len(framed)} boxes and classes of shape {list(numbers.shape)}"
        )
    marks = np.broadcast_to(np.asarray(difficult, dtype=np.float32), numbers.shape)
    return np.concatenate([boxes(framed), np.stack([numbers, marks], axis=1)], axis=1).astype("<f4").tobytes()


def unpack(packed: bytes | None) -> Targets:
    """Targets from a binary column; null has none."""
    if len(packed or b"") % BOX_BYTES:
        raise ValueError(f"targets must be {BOX_BYTES} bytes a box, got {len(packed or b'')} bytes")
    return np.frombuffer(packed or b"", "<f4").reshape(-1, WIDTH).astype(np.float32)


def crops(pixels: Pixels, framed: Boxes, *, width: int, height: int, margin: float = 0.0) -> list[Pixels]:
    """What each box frames, with ``margin`` of its sides around it, as a picture of ``width`` x ``height``."""
    return [one for (one,) in turned_crops(pixels, framed, width=width, height=height, margin=margin, degrees=(0.0,))]


def turned_crops(
    pixels: Pixels,
    framed: Boxes,
    *,
    width: int,
    height: int,
    margin: float = 0.0,
    degrees: Sequence[float] = (-10.0, -5.0, 0.0, 5.0, 10.0),
) -> list[Pixels]:
    """``crops`` turned about the middle of each by all ``degrees``: an array [turns, height, width, 3] a box.

    What comes into the corners is what the picture has there; beyond its edges, nothing of meaning.
    """
    cuts = [CropAt((left, top, right, bottom), margin) for left, top, right, bottom in framed.tolist()]
    end = Resize(width, height)
    return [np.stack([Chain((cut, Rotate(by, fill=None), end))(pixels).pixels for by in degrees]) for cut in cuts]


def _item(row: Any, name: str | None) -> Any:
    return row if name is None or row is None else row[name]


def _with(row: Any, name: str | None, value: Any) -> Any:
    if name is None:
        return value
    assert isinstance(row, Mapping)
    return {**row, name: value}
