"""LAMB takes the steps of its paper's algorithm, and trains."""

import math

import pytest
import torch
from torch import nn

from dlcore import LAMB

Numbers = list[float]


def norm(numbers: Numbers) -> float:
    return math.sqrt(sum(each * each for each in numbers))


def plain(w: Numbers, gradients: list[Numbers], *, lr: float, decay: float, layerwise: bool) -> Numbers:
    """Algorithm 2 of arXiv:1904.00962, number by number."""
    m, v = [0.0] * len(w), [0.0] * len(w)
    for t, g in enumerate(gradients, 1):
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        r = [(a / (1 - 0.9**t)) / (math.sqrt(b / (1 - 0.999**t)) + 1e-6) for a, b in zip(m, v, strict=True)]
        u = [a + decay * b for a, b in zip(r, w, strict=True)] if layerwise else r
        trust = norm(w) / norm(u) if layerwise and norm(w) and norm(u) else 1.0
        w = [a - lr * trust * b for a, b in zip(w, u, strict=True)]
    return w


@pytest.mark.parametrize(
    ("start", "layerwise"),
    [([[3.0, -4.0], [0.5, 2.0]], True), ([[0.0, 0.0], [0.0, 0.0]], True), ([1.0, -2.0, 0.5, 4.0], False)],
)
def test_steps_are_those_of_the_algorithm(start: list[Numbers], layerwise: bool) -> None:
    drawn = torch.Generator().manual_seed(5)
    gradients = [torch.randn(4, generator=drawn) for _ in range(7)]
    parameter = nn.Parameter(torch.tensor(start))
    optimizer = LAMB([parameter], lr=0.02, weight_decay=0.1)
    for gradient in gradients:
        parameter.grad = gradient.view_as(parameter)
        optimizer.step()
    before = torch.tensor(start).reshape(-1).tolist()
    expected = plain(before, [each.tolist() for each in gradients], lr=0.02, decay=0.1, layerwise=layerwise)
    torch.testing.assert_close(parameter.data.reshape(-1), torch.tensor(expected))


def test_what_has_no_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    LAMB([parameter], lr=0.1).step()
    assert torch.equal(parameter.data, torch.ones(2, 2))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"betas=\(1, 0.9\)"):
        LAMB([nn.Parameter(torch.ones(1))], lr=0.1, betas=(1, 0.9))
