"""Box arithmetic against counting dots."""

import numpy as np
import pytest

from features.pictures.boxes import area, boxes, centres_inside, clip, intersection, iou, scaling, shift, transform


def some(count: int, seed: int) -> np.ndarray:
    corners = np.random.default_rng(seed).integers(0, 21, (count, 2, 2))
    return boxes(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))


def dots(box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = box.astype(int)
    canvas = np.zeros((20, 20), bool)
    canvas[top:bottom, left:right] = True
    return canvas


def test_areas_and_overlaps_are_counts_of_dots() -> None:
    one, other = some(30, 1), some(40, 2)
    assert area(one).tolist() == [dots(box).sum() for box in one]
    shared = [[(dots(a) & dots(b)).sum() for b in other] for a in one]
    union = np.array([[(dots(a) | dots(b)).sum() for b in other] for a in one])
    assert intersection(one, other).tolist() == shared
    np.testing.assert_allclose(iou(one, other), shared / np.maximum(union, 1))


def test_no_boxes_are_boxes() -> None:
    none = boxes([])
    assert iou(none, some(3, 1)).shape == (0, 3) and transform(none, shift(1, 2)).shape == (0, 4)
    assert area(none).shape == (0,) and centres_inside(none, none).shape == (0, 0)
    assert iou(boxes([[1, 1, 1, 1]]), boxes([[1, 1, 1, 1]])).tolist() == [[0.0]]


def test_clip_leaves_what_is_inside() -> None:
    assert clip(boxes([[-5, 2, 30, 9], [40, 40, 50, 50]]), 20, 8).tolist() == [[0, 2, 20, 8], [20, 8, 20, 8]]
    assert area(boxes([[5, 5, 2, 9]])).tolist() == [0.0]


def test_a_centre_on_the_left_edge_is_inside_and_on_the_right_edge_is_not() -> None:
    found = centres_inside(boxes([[-1, 0, 1, 2], [9, 0, 11, 2]]), boxes([[0, 0, 10, 10]]))
    assert found.tolist() == [[True], [False]]


def test_boxes_follow_scaling_shift_and_mirror() -> None:
    matrix = shift(100, 1) @ scaling(-2, 3)
    assert transform(boxes([[1, 2, 3, 4]]), matrix).tolist() == [[94, 7, 98, 13]]


@pytest.mark.parametrize("wrong", [[1, 2, 3, 4], [[1, 2, 3]], np.zeros((2, 2, 4))])
def test_other_shapes_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"array \[n, 4\]"):
        boxes(wrong)  # type: ignore[arg-type]
