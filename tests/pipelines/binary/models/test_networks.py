"""Networks that take features by bins say how far a row has come through each, and are rebuilt without their edges."""

import pytest
import torch

from dlcore.openvino.conversion import converted, files_of
from dlcore.openvino.ir import IR
from pipelines.binary.frames.statistics import Statistics
from pipelines.binary.models.ensemble import rebuilt
from pipelines.binary.models.fitting import Fitting
from pipelines.binary.models.networks import Piecewise, Standardize, cnn, mlp

EDGES = [[0.0, 10.0, 20.0], [5.0, 7.0, 7.0]]


def test_a_row_has_come_through_the_bins_below_it_and_through_part_of_its_own() -> None:
    layer = Piecewise(Standardize(mean=[0.0, 0.0], std=[1.0, 1.0], limit=1.0), edges=EDGES, bins=2)
    rows = torch.tensor([[-3.0, 4.0], [15.0, 6.0], [99.0, 99.0]])
    scaled, inside = layer(rows).split([2, 4], dim=1)
    assert scaled.tolist() == [[-1, 1], [1, 1], [1, 1]]
    assert inside.tolist() == [[0, 0, 0, 0], [1, 0.5, 0.5, 0], [1, 1, 1, 0]]  # the second feature has one bin alone


def test_edges_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 bins needs 4 edges for each of 2 features, got \[2, 3\]"):
        mlp(mean=[0.0, 0.0], std=[1.0, 1.0], edges=EDGES, bins=3)


def test_an_ensemble_is_rebuilt_from_its_weights_and_converted() -> None:
    torch.manual_seed(0)
    own = mlp(mean=[8.0, 6.0], std=[4.0, 1.0], edges=EDGES, bins=2).eval()
    form = {"network": "mlp", "features": 2, "arguments": {"bins": 2}}
    other = rebuilt({"mlp": mlp}, members=[form]).eval()
    other.members[0].load_state_dict(own.state_dict())
    rows = torch.tensor([[-3.0, 4.0], [15.0, 6.0], [99.0, 99.0]])
    assert torch.equal(other.members[0](rows), own(rows))
    ir = IR(*files_of(converted(other, rows)), precision="f32")
    assert torch.allclose(torch.as_tensor(ir(rows)), other(rows).to(torch.float64), rtol=1e-4)


def test_only_a_setting_with_bins_makes_a_network_of_edges() -> None:
    cut = Statistics(features=("a", "b"), mean=(8.0, 6.0), std=(4.0, 1.0), edges=tuple(map(tuple, EDGES)))
    settings = ({"network": "mlp", "bins": 2}, {"network": "mlp"}, {"network": "cnn"})
    made = []

    def training(setting, network, rows, *, batch, epochs, seed):  # type: ignore[no-untyped-def]
        made.append(network())

    fitting = Fitting(networks={"mlp": mlp, "cnn": cnn}, settings={"all": settings}, grid=(), training=training)
    for setting in settings:
        fitting.of(setting, cut, 10, batch=5, epochs=1, seed=0)
    assert [any(isinstance(part, Piecewise) for part in network.modules()) for network in made] == [True, False, False]
