"""What a plan of warps and tints makes of a picture: all its geometry in one window and one warp, its colours after, at the end's size.

Colours work on each dot alone, so they may come after the geometry; what a picture is filled up with must not get the colours that came
before it. So the source's dots are drawn first, then the plan is followed in its order: a tint colours everything, and a warp paints what
lies outside of the frame that it began from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from features.pictures.boxes import Boxes, Matrix, centres_inside, clip, scaling, shift, transform, whole

Pixels = NDArray[Any]
"""[height, width, 3], bytes until a normalisation makes them float32."""
Tint = Callable[[Pixels], Pixels]
Colour = tuple[float, float, float]
Rows = NDArray[np.int64]
LEAST_SHRINK = 2
"""Two source dots and more that fall on one are averaged; under that, bilinear interpolation sees them all."""
CLOSE = 1e-6
"""Edges that are less than this apart, in dots, are the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """What geometry needs to know of a picture: its size, its boxes, and which of the boxes at the start they are."""

    width: int
    height: int
    boxes: Boxes
    rows: Rows

    @classmethod
    def of(cls, pixels: Pixels, boxes: Boxes) -> "Frame":
        height, width = pixels.shape[:2]
        return cls(width=width, height=height, boxes=boxes, rows=np.arange(len(boxes)))

    def after(self, warp: "Warp") -> "Frame":
        """The frame that ``warp`` makes: boxes move along, those whose centre is outside leave, what sticks out is cut off."""
        moved = transform(self.boxes, warp.matrix)
        stay = centres_inside(moved, whole(warp.width, warp.height))[:, 0]
        kept = clip(moved[stay], warp.width, warp.height)
        return Frame(width=warp.width, height=warp.height, boxes=kept, rows=self.rows[stay])


@dataclass(frozen=True, kw_only=True, eq=False)
class Warp:
    """From one frame into another of ``width`` x ``height``: ``matrix`` takes points along, ``fill`` is where the first has none."""

    matrix: Matrix
    width: int
    height: int
    fill: Colour | None = None


Action = Warp | Tint
Plan = tuple[Action, ...]


def render(pixels: Pixels, plan: Sequence[Action]) -> Pixels:
    """A new picture where the plan has a warp or a tint; the one given, which never changes, where it has neither."""
    left = [action for action in plan if isinstance(action, Warp)]
    if not left:
        return reduce(lambda seen, action: action(seen), plan, pixels)  # type: ignore[operator]
    seen, size = _drawn(pixels, left), pixels.shape[1::-1]
    for action in plan:
        if isinstance(action, Warp):
            seen = _filled(seen, size, _product(left), action.fill)
            size, left = (action.width, action.height), left[1:]
        else:
            seen = action(seen)
    return seen


def _product(warps: Sequence[Warp]) -> Matrix:
    return reduce(lambda before, warp: warp.matrix @ before, warps, np.eye(3))


def _inverse(matrix: Matrix) -> Matrix:
    found: Matrix = np.linalg.inv(matrix).astype(np.float64)
    return found


def _drawn(pixels: Pixels, warps: Sequence[Warp]) -> Pixels:
    """The last warp's frame with what it sees of the picture; elsewhere black, to be filled."""
    width, height = warps[-1].width, warps[-1].height
    matrix = _product(warps)
    left, top, right, bottom = _span(matrix, pixels.shape[1::-1], (width, height))
    part = shift(-left, -top) @ matrix
    if (left, top, right, bottom) == (0, 0, width, height):
        return _warped(pixels, part, width, height)
    seen = np.zeros((height, width, *pixels.shape[2:]), pixels.dtype)
    if right > left and bottom > top:
        seen[top:bottom, left:right] = _warped(pixels, part, right - left, bottom - top)
    return seen


def _span(matrix: Matrix, size: tuple[int, ...], within: tuple[int, int]) -> tuple[int, int, int, int]:
    """The smallest rectangle of whole dots that holds what ``matrix`` makes of a frame of ``size``, within another's."""
    (found,) = clip(transform(whole(*size), matrix), *within)
    left, top = np.floor(found[:2] + CLOSE)
    right, bottom = np.ceil(found[2:] - CLOSE)
    return int(left), int(top), int(right), int(bottom)


def _warped(pixels: Pixels, matrix: Matrix, width: int, height: int) -> Pixels:
    """``matrix`` done to the window that it needs, which is shrunk by a whole number first where many dots fall on one."""
    pixels, matrix = _shrunk(*_window(pixels, matrix, width, height))
    if _all_seen(pixels, matrix, width, height):
        return _resized(pixels, matrix, width, height)
    # Boxes are measured at dots' edges, OpenCV measures at their centres.
    inverse = _inverse(shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5))[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, inverse, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _window(pixels: Pixels, matrix: Matrix, width: int, height: int) -> tuple[Pixels, Matrix]:
    """The part of the picture that is seen, and the matrix from there: exactly so where that is whole dots, else with two around it."""
    (seen,) = transform(whole(width, height), _inverse(matrix))
    around = 0 if _upright(matrix) and np.abs(seen - seen.round()).max() < CLOSE else 2
    (found,) = clip(
        np.array([[*np.floor(seen[:2] + CLOSE) - around, *np.ceil(seen[2:] - CLOSE) + around]]), *pixels.shape[1::-1]
    )
    left, top, right, bottom = found.astype(int)
    return pixels[top:bottom, left:right], matrix @ shift(left, top)


def _all_seen(pixels: Pixels, matrix: Matrix, width: int, height: int) -> bool:
    """Whether ``matrix`` only scales and mirrors, and all of the picture makes all of the result."""
    moved = transform(whole(*pixels.shape[1::-1]), matrix)
    return _upright(matrix) and bool(np.abs(moved - whole(width, height)).max() < CLOSE)


def _resized(pixels: Pixels, matrix: Matrix, width: int, height: int) -> Pixels:
    """What the warp would do, at a third of the cost; a picture of its own."""
    mirrored = (matrix[0, 0] < 0, matrix[1, 1] < 0)
    if pixels.shape[1::-1] != (width, height):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    elif not any(mirrored):
        return pixels.copy()
    return (
        cv2.flip(pixels, {(True, False): 1, (False, True): 0, (True, True): -1}[mirrored]) if any(mirrored) else pixels
    )


def _upright(matrix: Matrix) -> bool:
    return not (matrix[0, 1] or matrix[1, 0])


def _shrunk(pixels: Pixels, matrix: Matrix) -> tuple[Pixels, Matrix]:
    """Averages of squares of dots, as large as still fall on one dot, so that no dot is skipped."""
    factor = int(1 / max(np.hypot(*matrix[:2, :2]).max(), 1e-9) + CLOSE)
    if factor < LEAST_SHRINK or factor > min(pixels.shape[:2]):
        return pixels, matrix
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    squares = pixels[: height * factor, : width * factor]
    return cv2.resize(squares, (width, height), interpolation=cv2.INTER_AREA), matrix @ scaling(factor, factor)


def _filled(seen: Pixels, size: tuple[int, ...], matrix: Matrix, fill: Colour | None) -> Pixels:
    """``fill`` on every dot whose centre is outside of the frame of ``size`` that ``matrix`` brought here."""
    if fill is None:
        return seen
    height, width = seen.shape[:2]
    if _upright(matrix):
        left, top, right, bottom = _nearest(transform(whole(*size), matrix)[0], width, height)
        for outside in (seen[:top], seen[bottom:], seen[top:bottom, :left], seen[top:bottom, right:]):
            outside[...] = fill
        return seen
    seen[_outside(size, matrix, width, height)] = fill
    return seen


def _nearest(box: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int]:
    """The dots whose centre is in the box."""
    left, top, right, bottom = np.ceil(box - 0.5 - CLOSE).clip(0, [width, height, width, height]).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _outside(size: tuple[int, ...], matrix: Matrix, width: int, height: int) -> NDArray[np.bool_]:
    """[height, width]: the dots whose centre ``matrix`` takes from outside of a frame of ``size``."""
    back = _inverse(matrix)
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    across = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    down = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    outside: NDArray[np.bool_] = (across < 0) | (across >= size[0]) | (down < 0) | (down >= size[1])
    return outside
