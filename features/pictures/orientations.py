"""The eight orientations of a picture with its boxes: exact, since dots change places and are never interpolated.

All orientations of one original show the same things: they belong to one split, so split by the original's name before making them.
"""

from dataclasses import dataclass

import numpy as np

from features.pictures.boxes import Boxes, Matrix, scaling, shift, transform
from features.pictures.rendering import Pixels


@dataclass(frozen=True)
class Orientation:
    """Left and right exchanged where ``mirrored``, then turned against the clock by so many quarters."""

    turns: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.turns not in range(4):
            raise ValueError(f"Orientation.turns must be 0, 1, 2 or 3, got {self.turns}")

    def pixels(self, of: Pixels) -> Pixels:
        return np.ascontiguousarray(np.rot90(of[:, ::-1] if self.mirrored else of, self.turns))

    def size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.turns % 2 else (width, height)

    def boxes(self, of: Boxes, width: int, height: int) -> Boxes:
        """The boxes of a picture that was ``width`` x ``height`` before."""
        matrix: Matrix = shift(width, 0) @ scaling(-1, 1) if self.mirrored else np.eye(3)
        for turn in range(self.turns):
            across = height if turn % 2 else width
            matrix = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, across], [0.0, 0.0, 1.0]]) @ matrix
        return transform(of, matrix)


EIGHT = tuple(Orientation(turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""The first is the picture as it is."""


def orientations(pixels: Pixels, boxes: Boxes) -> list[tuple[Pixels, Boxes]]:
    """The picture in all eight, each with its boxes."""
    height, width = pixels.shape[:2]
    return [(each.pixels(pixels), each.boxes(boxes, width, height)) for each in EIGHT]
