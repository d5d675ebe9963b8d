"""Matching is that of loops over pairs, and no two boxes share a prior."""

import numpy as np
import torch
from torch import Tensor

from dlcore.zoo.matching import match
from dlcore.zoo.priors import Priors
from tests.dlcore.zoo import plain

SMALL = Priors(image=64, grids=(4, 2), steps=(16, 32), scales=(0.2, 0.5, 0.8), ratios=((2,), (2, 3)))


def some_boxes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes of which some crowd in one place, and every fourth label is padding."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 0.6
    corner[::2] = corner[0] + corner[::2] * 0.05
    size = 0.05 + torch.rand(count, 2, generator=generator) * 0.35
    labels = torch.randint(1, 4, (count,), generator=generator)
    labels[::4] = 0
    return torch.cat([corner, corner + size], dim=1), labels


def test_it_is_that_of_loops() -> None:
    for seed in range(40):
        boxes, labels = some_boxes(seed % 12 + 1, seed)
        got = match(boxes, labels, SMALL.corners_P4)
        expected = plain.matches(boxes.numpy(), labels.tolist(), SMALL.corners_P4.numpy(), 0.5)
        assert {p: int(got.rows[p]) for p in got.labels.nonzero().squeeze(1).tolist()} == expected
        assert all(got.labels[prior] == labels[box] for prior, box in expected.items())


def test_boxes_of_one_place_have_a_prior_each() -> None:
    boxes = SMALL.corners_P4[20].repeat(6, 1)
    got = match(boxes, torch.arange(1, 7), SMALL.corners_P4)
    assert set(got.labels.tolist()) == set(range(7))
    assert got.labels[20] == 1


def test_no_box_and_a_box_without_area_match_nothing() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.5, 0.5]])
    assert not match(boxes, torch.tensor([0, 0]), SMALL.corners_P4).labels.any()
    assert not match(boxes, torch.tensor([0, 2]), SMALL.corners_P4).labels.any()
    assert not match(boxes[:0], torch.zeros(0, dtype=torch.int64), SMALL.corners_P4).labels.any()


def test_every_box_of_a_crowded_picture_is_answered_for() -> None:
    boxes, labels = some_boxes(60, 5)
    got = match(boxes, labels, SMALL.corners_P4)
    answered = set(got.rows[got.labels > 0].tolist())
    assert len(answered) == min(int((labels > 0).sum()), len(SMALL))
    assert np.all(labels.numpy()[list(answered)] > 0)
