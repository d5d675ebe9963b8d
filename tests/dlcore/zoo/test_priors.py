"""The priors are those of the authors' release, worked out box by box."""

import pickle
from math import sqrt

import numpy as np
import pytest
import torch

from dlcore.zoo.priors import SSD300, Priors, decode, encode

SIZES = [30, 60, 111, 162, 213, 264, 315]


def plain() -> list[tuple[float, float, float, float]]:
    """The prior layer of the paper's Caffe model, in pixels, as its loops run."""
    found = []
    for grid, step, small, large, ratios in zip(
        [38, 19, 10, 5, 3, 1],
        [8, 16, 32, 64, 100, 300],
        SIZES,
        SIZES[1:],
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        strict=False,
    ):
        for row in range(grid):
            for column in range(grid):
                sizes = [(small, small), (sqrt(small * large),) * 2]
                for ratio in ratios:
                    wide, narrow = small * sqrt(ratio), small / sqrt(ratio)
                    sizes += [(wide, narrow), (narrow, wide)]
                centre = ((column + 0.5) * step / 300, (row + 0.5) * step / 300)
                found += [(*centre, width / 300, height / 300) for width, height in sizes]
    return found


def test_they_are_the_papers_to_a_float() -> None:
    expected = np.array(plain())
    assert SSD300.boxes_P4.shape == expected.shape == (8732, 4) == (len(SSD300), 4)
    assert np.abs(SSD300.boxes_P4.numpy() - expected).max() < 3e-8


def test_offsets_move_them_there_and_back() -> None:
    boxes = torch.rand(8732, 2, generator=torch.Generator().manual_seed(1))
    boxes = torch.cat([boxes * 0.5, boxes * 0.5 + 0.2], dim=1)
    offsets = encode(boxes, SSD300.boxes_P4)
    torch.testing.assert_close(decode(offsets, SSD300.boxes_P4), boxes, atol=1e-5, rtol=0)
    x1, y1, x2, y2 = boxes[77].double().tolist()
    cx, cy, w, h = SSD300.boxes_P4[77].double().tolist()
    expected = [((x1 + x2) / 2 - cx) / w / 0.1, ((y1 + y2) / 2 - cy) / h / 0.1]
    expected += [np.log((x2 - x1) / w) / 0.2, np.log((y2 - y1) / h) / 0.2]
    torch.testing.assert_close(offsets[77].double(), torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=1e-4)


def test_a_pickle_holds_the_settings_alone() -> None:
    assert SSD300.corners_P4.shape == (8732, 4)
    assert len(pickle.dumps(SSD300)) < 1000
    assert pickle.loads(pickle.dumps(SSD300)) == SSD300


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one more scale, got 1 steps, 1 ratios, 1 scales"):
        Priors(image=300, grids=(3,), steps=(100,), scales=(0.5,), ratios=((2,),))
