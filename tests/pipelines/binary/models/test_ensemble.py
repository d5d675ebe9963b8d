"""An ensemble averages probabilities that hold at the base rate before the draws, and stays exact at the ends."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcore.openvino.conversion import converted, files_of
from dlcore.openvino.ir import IR
from pipelines.binary.models.ensemble import MODEL, Ensemble, averaged, models, rebuilt
from pipelines.binary.models.networks import cnn, mlp


class Fixed(nn.Module):
    """One log-odds for every row."""

    def __init__(self, log_odds: float) -> None:
        super().__init__()
        self.log_odds = log_odds

    def forward(self, rows_NF: Tensor) -> Tensor:
        return torch.full((len(rows_NF),), self.log_odds)


def test_probabilities_are_averaged_after_correction() -> None:
    together = Ensemble([Fixed(math.log(0.5 / 0.5)), Fixed(math.log(0.8 / 0.2))])
    together.shift.copy_(torch.tensor([math.log(0.1 / 0.9), 0.0], dtype=torch.float64))
    assert together(torch.zeros(3, 2)).tolist() == pytest.approx([0.45, 0.45, 0.45])


def test_calibration_is_a_slope_and_intercept_on_log_odds() -> None:
    alone = Ensemble([Fixed(2.0)])
    alone.calibration.copy_(torch.tensor([0.5, -1.0], dtype=torch.float64))
    assert alone(torch.zeros(1, 2)).item() == pytest.approx(0.5)


def test_the_mean_is_exact_where_single_precision_probabilities_are_not() -> None:
    members_MN = torch.tensor([[60.0, -60.0], [80.0, -80.0]], dtype=torch.float64)
    found = averaged(members_MN)
    assert found.tolist() == pytest.approx([60 + math.log(2), -60 - math.log(2)])


class First(nn.Module):
    """The first feature is the log-odds."""

    def forward(self, rows_NF: Tensor) -> Tensor:
        return rows_NF[:, 0]


def test_an_ir_gives_the_same_where_a_sigmoid_in_single_precision_is_zero_or_one() -> None:
    together = Ensemble([First(), First()])
    together.shift[1] = 3.0
    together.calibration.copy_(torch.tensor([0.1, 0.0], dtype=torch.float64))
    rows = torch.tensor([[-300.0], [-95.0], [-20.0], [0.0], [20.0], [95.0], [300.0]])
    ir = IR(*files_of(converted(together, rows[:2])), precision="f32")
    assert ir(rows).tolist() == pytest.approx(together(rows).tolist(), rel=1e-5)


def test_an_ensemble_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one member"):
        Ensemble([])


@pytest.mark.parametrize("network", [mlp, cnn])
@pytest.mark.parametrize("depth", [1, 2])
def test_networks_map_rows_to_one_log_odds_each(network: Any, depth: int) -> None:
    model = network(mean=[0.0] * 7, std=[1.0] * 7, width=8, depth=depth).eval()
    rows = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert model(rows).shape == (5,)
    assert torch.equal(model(rows)[2:3], model(rows[2:3])) or torch.allclose(
        model(rows)[2:3], model(rows[2:3]), atol=1e-6
    )


@pytest.mark.parametrize("network", [mlp, cnn])
def test_networks_scale_raw_features_by_the_statistics_they_carry(network: Any) -> None:
    mean, std = [10.0, -3.0, 0.0, 500.0], [2.0, 0.1, 1.0, 90.0]
    torch.manual_seed(1)
    raw = network(mean=mean, std=std).eval()
    scaled = network(mean=[0.0] * 4, std=[1.0] * 4).eval()
    weights = {name: tensor for name, tensor in raw.state_dict().items() if name not in ("0.mean", "0.std")}
    scaled.load_state_dict(weights, strict=False)
    rows = torch.randn(6, 4)
    assert torch.allclose(raw(rows * torch.tensor(std) + torch.tensor(mean)), scaled(rows), atol=1e-5)


def test_far_values_are_clipped() -> None:
    model = mlp(mean=[0.0], std=[1.0]).eval()
    assert torch.equal(model(torch.tensor([[10.0]])), model(torch.tensor([[1e9]])))


def test_an_ensemble_of_several_kinds_is_rebuilt_from_arguments_and_tensors() -> None:
    networks = {"mlp": mlp, "cnn": cnn}
    forms = [
        {"network": "cnn", "features": 4, "arguments": {"width": 4, "depth": 1, "dropout": 0.1}},
        {"network": "mlp", "features": 4, "arguments": {"width": 8}},
    ]
    made = rebuilt(networks, members=forms).eval()
    made.shift.copy_(torch.tensor([0.1, 0.2]))
    again = models(networks)[MODEL](members=forms).eval()
    again.load_state_dict(made.state_dict())
    rows = torch.randn(6, 4)
    assert torch.equal(made(rows), again(rows))
    assert [type(list(member.children())[1]) for member in made.members] == [nn.Unflatten, nn.Linear]
