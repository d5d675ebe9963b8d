"""The engine in groups of threads over gloo: what one worker waits for, and what all of them end with."""

import copy
import time
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import SGD, Adam, Optimizer

from dlcore import LARS, ClipNorm, ClipValue, Constant, Poly, Progress
from dlcore.data.order import Place, dealt, layout, shuffled
from dlcore.data.rows import Resident
from dlcore.optim.clipping import Clip
from dlcore.step.engine import Engine
from dlcore.step.method import Method
from dlcore.step.state import capture
from tests.dlcore.step import ranks

METHOD: dict[str, Any] = {
    "model": lambda: nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 1)),
    "loss": mse_loss,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.05),
    "batch": 16,
    "epochs": 2,
}


def rows() -> Resident:
    generator = np.random.default_rng(4)
    x = generator.standard_normal((70, 5), dtype=np.float32)
    return ranks.resident(pa.table({"x": list(x), "y": x.sum(axis=1)}))


def trained(method: Method, workers: int, **changes: Any) -> list[tuple[Engine, list[Progress]]]:
    return ranks.trained(method, workers, rows(), **changes)


def test_waiting_for_a_slow_worker_is_synchronisation() -> None:
    def slow(prediction: Tensor, target: Tensor) -> Tensor:
        if len(target) == 5:  # the shares of the second and the third worker; the first has 6 of 16 rows
            time.sleep(0.05)
        return mse_loss(prediction, target)

    found = trained(Method(**METHOD | {"loss": slow}), 3)
    assert sum(record.synchronisation_s for record in found[0][1]) > 0.3
    for one, two in zip(found[0][0].model.parameters(), found[1][0].model.parameters(), strict=True):
        assert torch.equal(one, two)


def same(one: Engine, other: Engine) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))


def entries(engine: Engine) -> int:
    """Numbers that a worker's part of the optimizer's state holds."""
    found = engine.slice().tensors
    return sum(tensor.numel() for name, tensor in found.items() if name.startswith("optimizer."))


def by_the_largest(gradients: list[Tensor]) -> None:
    """A clip of a user's own, which is a function of the whole gradient."""
    largest = max(float(each.abs().max()) for each in gradients)
    torch._foreach_mul_(gradients, min(1.0, 0.1 / largest))


CONVOLUTION = nn.Sequential(nn.Unflatten(1, (5, 1, 1)), nn.Conv2d(5, 6, 1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 1))


@pytest.mark.parametrize(
    "optimizer", [partial(SGD, momentum=0.9, weight_decay=1e-3), partial(Adam), partial(LARS, trust=0.1)]
)
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("clip", [None, ClipNorm(0.5), ClipValue(0.01), by_the_largest])
def test_a_sharded_optimizer_changes_nothing(optimizer: partial[Optimizer], workers: int, clip: Clip | None) -> None:
    method = Method(**METHOD | {"model": lambda: copy.deepcopy(CONVOLUTION), "optimizer": optimizer, "clip": clip})
    whole = [engine for engine, _ in trained(method, workers)]
    sharded = [engine for engine, _ in trained(method, workers, sharded=True)]
    assert all(same(whole[0], engine) for engine in [*whole, *sharded])
    assert [entries(engine) for engine in sharded] == [entries(engine) for engine in whole]
    assert max(held(engine) for engine in sharded) <= sum(map(entries, whole)) * (1 if workers == 1 else 0.7)


class Rare(nn.Module):
    """Buffers of several messages, between batch statistics, and a layer for rows with a rare first number."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.norm, self.wide = nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 1500)
        self.usual, self.rare, self.last = nn.Linear(1500, 1500), nn.Linear(1500, 1500), nn.Linear(1500, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(self.norm(self.first(x)))
        asked = x[:, :1] > 1.2
        found = self.usual(wide) + self.rare(wide) * asked if asked.any() else self.usual(wide)
        return self.last(found)  # type: ignore[no-any-return]


def test_moments_and_gradients_of_what_some_ranks_use_are_not_mixed_up() -> None:
    method = Method(**METHOD | {"model": Rare, "sync_batchnorm": True, "schedule": Constant(lr=1e-4), "epochs": 1})
    alone = trained(method, 1)[0][0].model.state_dict()
    for sharded in (False, True):
        for engine, _ in trained(method, 2, sharded=sharded):
            torch.testing.assert_close(engine.model.state_dict(), alone, rtol=1e-3, atol=1e-5)


def test_who_was_the_last_of_three_goes_on_as_the_first_of_two() -> None:
    method = Method(**METHOD)
    [*_, (last, _)] = trained(method, 3, sharded=True, stop_after=2)
    last.load(*ranks.beginning(method), rank=0, workers=2)
    assert last.figures.step == 0


def held(engine: Engine) -> int:
    """Numbers in the optimizer's state as it is in this worker's memory."""
    everything = capture(engine.model, engine._optimizer, engine.model.state_dict()).tensors
    return sum(tensor.numel() for name, tensor in everything.items() if name.startswith("optimizer."))


@pytest.mark.parametrize(("sharded", "others"), [(True, 3), (True, 1), (False, 3)])
def test_a_state_of_two_workers_is_taken_up_by_any_number(sharded: bool, others: int) -> None:
    method = Method(**METHOD | {"optimizer": partial(Adam)})
    half = [engine for engine, _ in trained(method, 2, sharded=sharded, stop_after=4)]
    state = half[0].figures, [engine.slice() for engine in half]
    assert state[0].step == 4
    rest = [engine for engine, _ in trained(method, others, sharded=sharded, after=state)]
    whole, _ = trained(method, 1)[0]
    assert all(same(rest[0], engine) for engine in rest)
    for one, two in zip(rest[0].model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_half_the_batch_takes_half_the_rate_and_every_row_that_is_left() -> None:
    method = Method(**METHOD | {"schedule": Poly(lr=0.08, steps=10), "kept_batch": "worker"})
    assert [method.batch_of(workers, wanted=4) for workers in (4, 3, 1)] == [16, 12, 4]
    [(half, _)] = trained(method, 1, stop_after=2)
    [(rest, told)] = trained(method, 1, batch=8, after=(half.figures, [half.slice()]))
    assert (half.figures.place.row, rest.figures.place) == (32, Place(step=2 + 5 + 9, epoch=2, row=0))
    assert [record.step for record in told] == [7, 16]
    assert [record.lr for record in told] == pytest.approx([0.04 * (1 - 4 / 10), 0.04 * (1 - 9 / 10)])


def test_no_order_of_rows_outlives_a_run() -> None:
    engine = trained(Method(**METHOD), 1)[0][0]
    assert shuffled.cache_info().currsize > 0
    engine.close()
    assert [kept.cache_info().currsize for kept in (layout, dealt, shuffled)] == [0, 0, 0]
