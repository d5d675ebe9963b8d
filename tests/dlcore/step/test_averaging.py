"""Parameter averaging: what a loop in plain torch gives, one state on all ranks after it, and the same bits when gone on from."""

import copy
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam

from dlcore import L2, LAMB, ByLayer, ByName, ClipNorm, Constant, EverySteps, Training
from dlcore.data.order import Order, part
from dlcore.data.rows import Resident
from dlcore.optim.eager import stepper
from dlcore.step.engine import Engine
from dlcore.step.method import Method
from dlcore.step.state import Slice, capture
from dlcore.step.triggers import Pauses
from tests.dlcore.step.ranks import resident, trained, weights

COUNT = 70


def rows() -> Resident:
    x = np.random.default_rng(4).standard_normal((COUNT, 5), dtype=np.float32)
    return resident(pa.table({"x": list(x), "y": x[:, :3].argmax(axis=1)}))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))


def normalised() -> nn.Module:
    """One with batch statistics, and a layer that is not trained."""
    return nn.Sequential(nn.Linear(5, 7).requires_grad_(False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3))


METHOD: dict[str, Any] = {
    "model": perceptron,
    "loss": cross_entropy,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.2),
    "batch": 16,
    "epochs": 2,
}
CLASSES = torch.tensor([0.1, 1.0, 9.0])


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": SGD},
        {"loss": nn.CrossEntropyLoss(CLASSES), "penalty": ByLayer({"0.": L2(0.1)})},
        {"micro_batch": 3},
    ],
)
def test_of_every_step_sgd_is_synchronous_sgd(workers: int, changes: dict[str, Any]) -> None:
    one, told = trained(Method(**METHOD | changes), 1, rows(), validation=rows())[0]
    averaged = trained(Method(**METHOD | changes | {"average_every": 1}), workers, rows(), validation=rows())
    torch.testing.assert_close(weights(averaged[0][0]), weights(one), rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(averaged[0][1], told, strict=True):
        assert (ours.loss, ours.validation) == pytest.approx((theirs.loss, theirs.validation), rel=1e-4)


def by_hand(method: Method, every: int, workers: int, loss: Any) -> Tensor:
    """Weights after local steps of plain torch, averaged by rows after ``every`` steps and at the end of an epoch."""
    models = [copy.deepcopy(method.build()) for _ in range(workers)]
    optimizers = [method.optimize(model) for model in models]
    order, taken = Order(rows=COUNT, batch=16, seed=0), [0] * workers
    pair: Any = rows().layout.pair(rows().gather(np.arange(COUNT)))
    for step in range(2 * order.steps):
        whole = order.at(step)
        for rank, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            mine = whole[part(len(whole), rank, workers)]
            optimizer.zero_grad()
            loss(model(pair[0][mine]), pair[1][mine]).backward()
            stepper(optimizer)()
            taken[rank] += len(mine)
        if (step + 1) % every == 0 or order.place(step + 1).row == 0:
            _average([list(model.parameters()) for model in models], taken)
            _average([[each[k] for each in o.state.values() for k in sorted(each)] for o in optimizers], taken)
            taken = [0] * workers
    return torch.cat([each.detach().reshape(-1) for each in models[0].parameters()])


@torch.no_grad()
def _average(several: list[list[Tensor]], taken: list[int]) -> None:
    for same in zip(*several, strict=True):
        mean = torch.stack([each.double() * rows for each, rows in zip(same, taken, strict=True)]).sum(0) / sum(taken)
        for each in same:
            each.copy_(mean)


@pytest.mark.parametrize("every", [2, 3, 100])
def test_several_local_steps_are_those_of_plain_torch(every: int) -> None:
    method = Method(**METHOD | {"optimizer": Adam, "schedule": Constant(lr=0.02), "average_every": every})
    found = trained(method, 3, rows())
    torch.testing.assert_close(weights(found[0][0]), by_hand(method, every, 3, cross_entropy), rtol=1e-4, atol=1e-5)


OPTIMIZERS = {
    "sgd": partial(SGD, momentum=0.9, weight_decay=0.01),
    "adam in groups": ByName(partial(Adam, betas=(0.87, 0.93)), lambda name, each: {"eps": 1e-7 * each.ndim}),
    "lamb, which counts in Python": LAMB,
}


def state(engine: Engine) -> Slice:
    return capture(engine.model, engine._optimizer, engine.model.state_dict())


def same(one: Slice, other: Slice) -> bool:
    alike = one.tensors.keys() == other.tensors.keys() and one.plain == other.plain
    return alike and all(torch.equal(each, other.tensors[name]) for name, each in one.tensors.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ranks_end_with_one_state_and_what_nobody_changes_stays_to_the_bit(optimizer: str) -> None:
    changes = {"model": normalised, "optimizer": OPTIMIZERS[optimizer], "average_every": 3}
    method = Method(**METHOD | changes)
    found = [engine for engine, _ in trained(method, 3, rows())]
    assert all(same(state(found[0]), state(engine)) for engine in found[1:])
    started = method.build()
    assert torch.equal(found[0].model[0].weight, started[0].weight)  # type: ignore[index]
    groups, new = (each.param_groups for each in (found[0]._optimizer, method.optimize(started)))
    for ours, theirs in zip(groups, new, strict=True):
        assert {**ours, "params": 0, "param_names": 0} == {**theirs, "params": 0, "param_names": 0}
    steps = [float(each["step"]) for each in found[0]._optimizer.state.values() if "step" in each]
    assert set(steps) <= {10.0}
    statistics = found[0].model[1]  # type: ignore[index]
    assert int(statistics.num_batches_tracked) == 10
    assert float(statistics.running_mean.abs().sum()) > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stopped_after_an_average_and_gone_on_from_it_ends_with_the_bits_of_the_unbroken_run(optimizer: str) -> None:
    method = Method(**METHOD | {"model": normalised, "optimizer": OPTIMIZERS[optimizer], "average_every": 3})
    unbroken = trained(method, 2, rows())
    stopped = [engine for engine, _ in trained(method, 2, rows(), stop_after=4)]
    assert [engine.step for engine in stopped] == [5, 5]  # the epoch's end; the next average would be after step 6
    rest = trained(method, 2, rows(), after=(stopped[0].figures, [engine.slice() for engine in stopped]))
    assert same(state(rest[0][0]), state(unbroken[0][0]))
    assert [record.loss for record in rest[0][1]] == [record.loss for record in unbroken[0][1][1:]]


def test_records_and_commits_wait_for_an_average_and_change_nothing() -> None:
    method = Method(**METHOD | {"average_every": 4})
    plain, often = (
        trained(method, 2, rows(), pauses=pauses)
        for pauses in (Pauses(), Pauses(record=EverySteps(1), commit=EverySteps(3)))
    )
    assert [record.step for record in plain[0][1]] == [5, 10]
    assert [record.step for record in often[0][1]] == [4]
    assert (often[0][0].step, often[0][0].due) == (4, True)
    rest = trained(method, 2, rows(), after=(often[0][0].figures, [engine.slice() for engine, _ in often]))
    assert torch.equal(weights(rest[0][0]), weights(plain[0][0]))


class Branches(nn.Module):
    """A head for each sign of the first number, of which a worker may see one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(5, 3), nn.Linear(5, 3)])

    def forward(self, x: Tensor) -> Tensor:
        found = x.new_zeros(len(x), 3)
        for head, mine in zip(self.heads, (x[:, 0] > 0, x[:, 0] <= 0), strict=True):
            if bool(mine.any()):
                found[mine] = head(x[mine])
        return found


def test_a_worker_may_have_no_rows_or_use_no_part_that_others_use() -> None:
    changes = {"model": Branches, "batch": 4, "epochs": 1, "average_every": 1}
    synchronous = trained(Method(**METHOD | changes | {"average_every": None}), 1, rows())
    averaged = trained(Method(**METHOD | changes), 3, rows())
    assert all(same(state(averaged[0][0]), state(engine)) for engine, _ in averaged)
    for name, each in state(averaged[0][0]).tensors.items():
        assert each.shape == state(synchronous[0][0]).tensors[name].shape
    few = resident(pa.table({"x": [[1.0] * 5] * 2, "y": [0, 1]}))
    adam = trained(Method(**METHOD | {"optimizer": Adam, "average_every": 5}), 3, few)
    assert all(same(state(adam[0][0]), state(engine)) for engine, _ in adam)


def ruined(prediction: Tensor, target: Tensor) -> Tensor:
    """NaN for the rows of one number."""
    return mse_loss(prediction[:, 0], target.float()) * (float("nan") if 37 in target.tolist() else 1.0)


def test_a_step_that_is_not_finite_is_skipped_by_its_worker_or_told_with_its_rank() -> None:
    table = pa.table({"x": list(np.ones((64, 5), np.float32)), "y": range(64)})
    changes = {"loss": ruined, "epochs": 1, "schedule": Constant(lr=1e-4), "average_every": 2}
    found = trained(Method(**METHOD | changes | {"on_nan": "skip"}), 2, resident(table))
    assert [record.skipped for record in found[0][1]] == [1]
    assert torch.equal(weights(found[0][0]), weights(found[1][0]))
    assert bool(weights(found[0][0]).isfinite().all())
    order = Order(rows=64, batch=16, seed=0)
    rank = next([*order.at(step)].index(37) for step in range(4) if 37 in order.at(step)) // 8
    with pytest.raises(Exception, match=rf"rows of ranks \[{rank}\]|lost its group"):
        trained(Method(**METHOD | changes), 2, resident(table))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"average_every": 0}, "average_every must be at least 1, got 0"),
        ({"clip": ClipNorm(1.0)}, "needed by clip;"),
        ({"logical_workers": 2, "sync_batchnorm": False}, "needed by logical_workers;"),
        ({"sync_batchnorm": True, "kept_batch": "worker"}, "needed by kept_batch, sync_batchnorm;"),
        ({"shard_optimizer": True}, r"Training\.shard_optimizer has each parameter stepped by one worker"),
    ],
)
def test_what_needs_the_others_at_each_step_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Training(**METHOD | {"average_every": 5} | changes)
