"""Box arithmetic on float arrays [n, 4] of (left, top, right, bottom), at pixels' edges: no pixel is ever added or taken."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float64]
Flags = NDArray[np.bool_]
Matrix = NDArray[np.float64]
"""[3, 3], from one frame's coordinates to another's; the last row is 0, 0, 1."""


def boxes(values: ArrayLike) -> Boxes:
    """``values`` as boxes [n, 4], also where there are none."""
    found = np.asarray(values, dtype=np.float64)
    if found.size == 0:
        return np.empty((0, 4))
    if found.ndim != 2 or found.shape[1] != 4:
        raise ValueError(f"boxes must be an array [n, 4] of (left, top, right, bottom), got {list(found.shape)}")
    return found


def area(of: Boxes) -> NDArray[np.float64]:
    """[n]; 0 for a box whose right is left of its left, or whose bottom is above its top."""
    sides = (of[..., 2:] - of[..., :2]).clip(min=0)
    found: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return found


def intersection(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Shared area of each of ``one`` with each of ``other``, [n, m]."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    sides = (np.minimum(one[:, None, 2:], other[None, :, 2:]) - low).clip(min=0)
    shared: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return shared


def iou(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each of ``one`` with each of ``other``, [n, m]; 0 where both have no area."""
    shared = intersection(one, other)
    union = area(one)[:, None] + area(other)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(of: Boxes, width: float, height: float) -> Boxes:
    """What of each box is in a picture of this size."""
    return of.clip(0, np.array([width, height, width, height]))


def centres_inside(of: Boxes, windows: Boxes) -> Flags:
    """Whether each box's centre is in each window, [n, m]; a window's left and top edge are in it, right and bottom are not."""
    (x, y), (left, top, right, bottom) = ((of[:, :2] + of[:, 2:]) / 2).T[..., None], windows.T
    inside: Flags = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return inside


def transform(of: Boxes, matrix: Matrix) -> Boxes:
    """The smallest upright boxes that hold what ``matrix`` makes of each box."""
    if not (matrix[0, 1] or matrix[1, 0]):
        moved = of * matrix[[0, 1, 0, 1], [0, 1, 0, 1]] + matrix[[0, 1, 0, 1], 2]
        return np.concatenate([np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], axis=1)
    corners = of[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] @ matrix[:2, :2].T + matrix[:2, 2]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def scaling(x: float, y: float) -> Matrix:
    return np.array([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]])


def shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def whole(width: float, height: float) -> Boxes:
    """The one box that is all of a picture."""
    return np.array([[0.0, 0.0, width, height]])
