"""LARS takes the steps of its paper's formula, and trains."""

import pytest
import torch
from torch import nn

from dlcore import LARS


def test_a_step_is_the_formula() -> None:
    weight, bias = nn.Parameter(torch.tensor([[3.0, 4.0]])), nn.Parameter(torch.tensor([1.0]))
    weight.grad, bias.grad = torch.tensor([[0.6, 0.8]]), torch.tensor([2.0])
    LARS([weight, bias], lr=0.5, momentum=0.9, weight_decay=0.1, trust=0.01).step()
    rate = 0.5 * 0.01 * 5 / (1 + 0.1 * 5)
    torch.testing.assert_close(weight.data, torch.tensor([[3 - rate * (0.6 + 0.3), 4 - rate * (0.8 + 0.4)]]))
    torch.testing.assert_close(bias.data, torch.tensor([0.0]))


def test_momentum_carries_on() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = LARS([weight], lr=0.1, momentum=0.5)
    for expected in (0.9, 0.75):
        weight.grad = torch.tensor([1.0])
        optimizer.step()
        torch.testing.assert_close(weight.data, torch.tensor([expected]))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="momentum=1"):
        LARS([nn.Parameter(torch.ones(1))], lr=0.1, momentum=1)
