"""Detections are those of loops."""

import torch

from dlcore.zoo.detections import Detect
from dlcore.zoo.priors import Priors, decode
from tests.dlcore.zoo import plain
from tests.dlcore.zoo.test_matching import SMALL


def test_they_are_those_of_loops() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4, len(SMALL), 4, generator=generator) * 2
    offsets = torch.randn(4, len(SMALL), 4, generator=generator)
    boxes = decode(offsets, SMALL.boxes_P4)
    scores = logits.softmax(dim=2)
    for top, keep in ((400, 200), (15, 20)):
        got = Detect(priors=SMALL, top=top, keep=keep)((logits, offsets))
        for row, found in enumerate(got):
            expected = plain.detections(scores[row].numpy(), boxes[row].double().numpy(), top=top, keep=keep)
            assert found.labels.tolist() == [label for _, label, _ in expected]
            torch.testing.assert_close(found.scores, torch.tensor([score for score, _, _ in expected]))
            torch.testing.assert_close(found.boxes, boxes[row, [prior for _, _, prior in expected]].clamp(0, 1))
            assert len(expected) == keep or keep == 200


def test_a_picture_of_background_has_none() -> None:
    logits = torch.tensor([20.0, 0, 0]).expand(1, len(SMALL), 3)
    (found,) = Detect(priors=SMALL)((logits, torch.zeros(1, len(SMALL), 4)))
    assert [len(part) for part in found] == [0, 0, 0]


def test_a_box_outside_of_the_picture_is_none() -> None:
    priors = Priors(image=100, grids=(2,), steps=(50,), scales=(0.2, 0.3), ratios=((),))
    logits = torch.tensor([0.0, 5.0]).expand(1, len(priors), 2)
    offsets = torch.zeros(1, len(priors), 4)
    offsets[0, 0, 0] = -1000.0  # far to the left
    (found,) = Detect(priors=priors, iou=1.0)((logits, offsets))
    assert len(found.boxes) == len(priors) - 1
    assert bool((found.boxes[:, 2:] > found.boxes[:, :2]).all())
