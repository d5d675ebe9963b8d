"""A target takes the prediction's shape where a trailing 1 is all that differs."""

import pytest
import torch

from dlcore.step.method import align


@pytest.mark.parametrize(
    ("prediction", "target", "shape"),
    [
        ((6, 1), (6,), (6, 1)),
        ((6,), (6, 1), (6,)),
        ((6, 4), (6, 4), (6, 4)),
        ((2, 3, 1), (2, 3), (2, 3, 1)),
        ((6, 4), (4, 6), (4, 6)),
        ((6, 4), (24,), (24,)),
        ((2, 3), (2, 1, 3), (2, 1, 3)),
        ((6, 1, 1), (6,), (6,)),
        ((1, 6), (6,), (6,)),
    ],
)
def test_no_more_than_a_trailing_1_is_reshaped(
    prediction: tuple[int, ...], target: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    given = torch.arange(torch.Size(target).numel()).reshape(target)
    _, found = align(torch.zeros(prediction), given)
    assert found.shape == shape
    assert found.dtype == (torch.float32 if shape == prediction else torch.int64)
    assert torch.equal(found.reshape(-1).long(), given.reshape(-1))
