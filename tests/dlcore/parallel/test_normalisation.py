"""Batch normalisation on several workers: one row, no rows, running statistics that are one, and synchronised statistics."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant
from dlcore.data.order import Order
from dlcore.step.method import Method
from dlcore.step.tuning import tune_model
from tests.dlcore.step.ranks import resident, trained, weights

WIDTH = 8


def flat(**options: Any) -> nn.Module:
    return nn.Sequential(
        nn.Linear(WIDTH, 6), nn.BatchNorm1d(6, **options), nn.ReLU(), nn.Linear(6, 1), nn.BatchNorm1d(1)
    )


def pictures(**options: Any) -> nn.Module:
    return nn.Sequential(
        *[nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4, **options), nn.ReLU(), nn.Flatten()],
        *[nn.Linear(16, 1), nn.BatchNorm1d(1, affine=False)],
    )


def method(model: Any = flat, **changes: Any) -> Method:
    known: dict[str, Any] = {
        "model": model,
        "loss": mse_loss,
        "optimizer": partial(SGD, momentum=0.9),
        "schedule": Constant(lr=0.05),
    }
    return Method(**known | {"batch": 16, "epochs": 3, "seed": 5} | changes)


def table(count: int) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((count, WIDTH), dtype=np.float32))
    return x, x.sum(dim=1, keepdim=True)


def rows(count: int) -> Any:
    x, y = table(count)
    return resident(pd.DataFrame({"x": list(x.numpy()), "y": y[:, 0].numpy()}))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("count", [33, 35])
@pytest.mark.parametrize("model", [flat, partial(flat, track_running_stats=False)])
def test_a_batch_that_leaves_one_row_ends_no_run(model: Any, count: int, sync: bool, workers: int) -> None:
    found = [e for e, _ in trained(method(model, sync_batchnorm=sync), workers, rows(count))]
    assert found[0].done
    assert weights(found[0]).isfinite().all()


def test_one_row_is_normalised_by_the_running_statistics_and_leaves_them() -> None:
    norm = nn.BatchNorm1d(3)
    norm(torch.randn(9, 3))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    row = torch.randn(1, 3, requires_grad=True)
    ours = tune_model(norm)(row)
    torch.testing.assert_close(ours, (row - before["running_mean"]) / (before["running_var"] + norm.eps).sqrt())
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        norm(torch.randn(1, 3, 1, 1))


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_running_statistics_are_the_mean_over_workers_by_rows(workers: int) -> None:
    """One step in shares as a worker has them, by hand; of a batch of six rows two of eight workers have none."""
    plain, order, (x, _) = method().build(), Order(rows=6, batch=16, seed=5), table(6)
    picked, expected = order.at(0), torch.zeros(2, 6)
    for rank, share in enumerate(np.array_split(picked, workers)):
        norm = nn.BatchNorm1d(6)
        if len(share) > 1:
            norm(plain.get_submodule("0")(x[torch.from_numpy(share)]))
        assert norm.running_mean is not None
        assert norm.running_var is not None
        expected += torch.stack([norm.running_mean, norm.running_var]) * len(share) / 6
        assert rank < workers
    for engine, _ in trained(method(epochs=1), workers, rows(6)):
        state = engine.model.state_dict()
        torch.testing.assert_close(torch.stack([state["1.running_mean"], state["1.running_var"]]), expected)
        assert state["1.num_batches_tracked"] == (1 if workers == 2 else 0 if workers == 8 else 1)


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("model", [flat, partial(flat, momentum=None), pictures])
def test_every_rank_has_one_state_before_and_after_a_recovery(model: Any, sync: bool) -> None:
    ours, data = method(model, sync_batchnorm=sync), rows(38)
    whole = trained(ours, 3, data, validation=data)
    half = trained(ours, 3, data, validation=data, stop_after=4)
    after = half[0][0].figures, [engine.slice() for engine, _ in half]
    rest = trained(ours, 3, data, validation=data, after=after)
    states = [engine.model.state_dict() for engine, _ in [*whole, *rest]]
    assert all(torch.equal(state[name], states[0][name]) for state in states for name in state)
    told = [[record.validation for record in records] for _, records in [*whole, *rest]]
    assert told[:3] == [told[0]] * 3
    assert told[3:] == [told[0][1:]] * 3


@pytest.mark.parametrize("workers", [2, 9])
@pytest.mark.parametrize("count", [70, 65])
@pytest.mark.parametrize(
    "model",
    [flat, pictures, partial(flat, momentum=None), partial(flat, track_running_stats=False)],
)
def test_synchronised_workers_equal_one(model: Any, count: int, workers: int) -> None:
    """Of the last batch, of six rows or one, most of nine workers have none."""
    ours = method(model, sync_batchnorm=True)
    [(one, told)] = trained(ours, 1, rows(count), validation=rows(20))
    for engine, records in trained(ours, workers, rows(count), validation=rows(20)):
        torch.testing.assert_close(engine.model.state_dict(), one.model.state_dict(), rtol=1e-3, atol=1e-5)
        if (
            not isinstance(model, partial) or "track_running_stats" not in model.keywords
        ):  # else a share's loss is of the share's own statistics
            assert [r.validation for r in records] == pytest.approx([r.validation for r in told], rel=1e-3)
        ours.build().load_state_dict(engine.model.state_dict())


def test_synchronised_gradients_are_those_of_the_whole_batch_in_bfloat16_too() -> None:
    ours = method(pictures, sync_batchnorm=True, precision="bfloat16", epochs=1)
    [(one, _)] = trained(ours, 1, rows(64))
    for engine, _ in trained(ours, 2, rows(64)):
        torch.testing.assert_close(engine.model.state_dict(), one.model.state_dict(), rtol=0.1, atol=0.05)


class Asleep(nn.Module):
    """A backbone that its user froze, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(WIDTH, 6), nn.BatchNorm1d(6), nn.Dropout(0.9)).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.backbone.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_what_sleeps_stays_asleep(workers: int, sync: bool) -> None:
    ours = method(Asleep, sync_batchnorm=sync)
    given = ours.build().state_dict()
    for engine, _ in trained(ours, workers, rows(70), validation=rows(9)):
        assert [module.training for module in engine.model.get_submodule("backbone").modules()] == [False] * 4
        assert [module.training for module in engine.model.get_submodule("head").modules()] == [True] * 4
        kept = {name: value for name, value in engine.model.state_dict().items() if name.startswith("backbone.")}
        assert all(torch.equal(value, given[name]) for name, value in kept.items())
        assert not torch.equal(engine.model.state_dict()["head.1.running_mean"], given["head.1.running_mean"])
