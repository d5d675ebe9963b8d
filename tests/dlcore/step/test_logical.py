"""The same bits on any number of workers, and through any change of their number: processes of one thread that meet over gloo."""

import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch._C._distributed_c10d import TCPStore
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam

from dlcore import Accuracy, AtMinimum, ClipNorm, Constant, Folder, MeanLoss, Metric, SequentialSchedule, Training
from dlcore.data.rows import Resident
from dlcore.parallel.collective import Alone, ProcessGroup
from dlcore.run.chain import Chain, History
from dlcore.run.commits import Commits, Saved
from dlcore.run.plan import Plan
from dlcore.run.stopping import StopRequests
from dlcore.step.engine import Engine
from dlcore.step.state import Figures, Slice
from dlcore.step.tuning import computing_with
from tests.dlcore.step import ranks
from tests.dlcore.step.ranks import beginning, resident

Written = Sequence[tuple[bytes, Mapping[str, Any]]]


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.3), nn.Linear(9, 3))


def picture() -> nn.Module:
    """One of more than a megabyte of weights, which go in slices."""
    layers = [
        nn.Unflatten(1, (5, 1, 1)),
        nn.Conv2d(5, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Dropout2d(0.2),
        nn.Flatten(),
    ]
    return nn.Sequential(*layers, nn.Linear(8, 40_000), nn.Tanh(), nn.Linear(40_000, 3))


def rows(count: int) -> Resident:
    x = np.random.default_rng(4).standard_normal((count, 5), dtype=np.float32)
    return resident(pd.DataFrame({"x": list(x), "y": x[:, :3].argmax(axis=1)}))


def ruined(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """NaN where a row is among them of which there is one."""
    return cross_entropy(model(x), y) * (math.nan if bool((x[:, 0] > 2.1).any()) else 1.0)


METHODS: dict[str, dict[str, Any]] = {
    "dropout, batch normalisation, class weights": {
        "loss": partial(cross_entropy, weight=torch.tensor([1.0, 3.0, 0.2])),
        "optimizer": partial(Adam),
        "clip": ClipNorm(0.5),
    },
    "micro-batches, in bfloat16": {"micro_batch": 3, "precision": "bfloat16"},
    "large messages": {"model": picture, "epochs": 1},
}

SKIPPING: dict[str, Any] = {
    "step": ruined,
    "on_nan": "skip",
    "keep_best": AtMinimum(),
    "schedule": SequentialSchedule(schedules=[Constant(lr=0.05), Constant(lr=30)], milestones=[10]),
    "epochs": 4,
}
FIRST = next(iter(METHODS))


def method(name: str, shares: int) -> Plan:
    known: dict[str, Any] = {"model": perceptron, "loss": cross_entropy, "optimizer": partial(SGD, momentum=0.9)}
    known |= {"schedule": Constant(lr=0.05), "batch": 16, "epochs": 2, "logical_workers": shares}
    return Plan(**known | METHODS.get(name, SKIPPING))


@dataclass(frozen=True, kw_only=True)
class End:
    """What all ranks end with; ``state`` is every tensor of theirs, ``losses`` those of the records."""

    figures: Figures
    written: Written
    losses: list[Any]

    @property
    def state(self) -> dict[str, bytes]:
        slices = [Slice.from_bytes(content, plain) for content, plain in self.written]
        return {name: tensor.numpy().tobytes() for each in slices for name, tensor in each.tensors.items()}


def train(
    name: str,
    shares: int,
    written: Written,
    figures: Figures,
    stop: int,
    sharded: bool,
    port: int,
    workers: int,
    rank: int,
) -> End:
    """One rank's part, in a process of its own; the last batch has six rows, of which a share may have none."""
    ours = method(name, shares)
    client = TCPStore("127.0.0.1", port, is_master=False, timeout=timedelta(seconds=60))
    collective = (
        Alone()
        if workers == 1
        else ProcessGroup(client, rank=rank, workers=workers, address="127.0.0.1", patience_s=60)
    )
    metrics: list[Metric] = [Accuracy(), MeanLoss(loss=ours.loss, name="mean")]
    engine = Engine(ours, rows(70), rows(37), metrics=metrics, pauses=ours.pauses, sharded=sharded)
    told = []
    with computing_with(1):
        slices = [Slice.from_bytes(content, plain) for content, plain in written]
        engine.load(figures, slices, rank=rank, workers=workers)
        engine.join(collective)
        engine.run(lambda: engine.step + 1 == stop, lambda _, record: told.append(record))
    mine = engine.slice()
    losses = [(record.loss, record.validation, record.metrics, record.skipped) for record in told]
    engine.join(Alone())
    collective.close()
    return End(figures=engine.figures, written=[(mine.to_bytes(), mine.plain)], losses=losses)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        yield processes


def trained(
    pool: ProcessPoolExecutor,
    name: str,
    shares: int,
    workers: int,
    *,
    after: End | None = None,
    stop: int = 0,
    sharded: bool = False,
) -> End:
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    figures, slices = beginning(method(name, shares))
    written = [(each.to_bytes(), each.plain) for each in slices]
    start = after or End(figures=figures, written=written, losses=[])
    part = partial(train, name, shares, start.written, start.figures, stop, sharded, store.port, workers)
    ends = [future.result() for future in [pool.submit(part, rank) for rank in range(workers)]]
    assert all(end.losses == ends[0].losses for end in ends)
    return replace(
        ends[0], written=[each for end in ends for each in end.written], losses=start.losses + ends[0].losses
    )


@pytest.mark.parametrize(("name", "shares"), [*((name, 3) for name in METHODS), ("large messages", 5), (FIRST, 8)])
def test_any_number_of_workers_ends_with_the_same_bits(pool: ProcessPoolExecutor, name: str, shares: int) -> None:
    alone = trained(pool, name, shares, 1)
    for workers in (2, 3):
        end = trained(pool, name, shares, workers)
        assert end.state == alone.state
        assert end.losses == alone.losses


@pytest.mark.parametrize("sharded", [False, True])
def test_workers_that_go_and_come_change_nothing(pool: ProcessPoolExecutor, sharded: bool) -> None:
    whole = trained(pool, FIRST, 4, 3)
    end = None
    for workers, stop in ((3, 2), (1, 5), (2, 7), (3, 0)):
        end = trained(pool, FIRST, 4, workers, after=end, stop=stop, sharded=sharded)
    assert end is not None
    assert end.state == whole.state
    assert end.losses == whole.losses


def test_the_shares_decide_the_result_and_not_the_workers(pool: ProcessPoolExecutor) -> None:
    assert trained(pool, FIRST, 3, 1).state != trained(pool, FIRST, 4, 1).state


def led_to(pool: ProcessPoolExecutor, workers: int, folder: Folder) -> tuple[int, list[Any], dict[str, bytes]]:
    """The state that a run of commits has led to: its step, the records and every tensor."""
    plan, end = method("skipping", 3), None
    commits = Commits(folder).claimed()
    figures, [start] = beginning(plan)
    first = Saved(figures=figures, slices=(commits.write(start, step=0, name="start"),))
    kept = [commits.seal(first, after=None, settings={}, history=())]
    chain = Chain(commits, kept, History((), StopRequests(None, folder)), plan)
    while not chain.over:
        end = trained(pool, "skipping", 3, workers, after=end)
        slices = [Slice.from_bytes(content, plain) for content, plain in end.written]
        files = [commits.write(each, step=end.figures.step, name=str(rank)) for rank, each in enumerate(slices)]
        chain.extend(Saved(figures=end.figures, slices=tuple(files)))
    assert end is not None
    saved = chain.end()
    tensors = {name: each.numpy().tobytes() for part in commits.load(saved) for name, each in part.tensors.items()}
    return saved.step, end.losses, tensors


def test_steps_are_skipped_and_the_best_is_kept_the_same_by_any_number(
    pool: ProcessPoolExecutor, tmp_path: Path
) -> None:
    alone, *several = [led_to(pool, workers, Folder(f"{tmp_path}/{workers}")) for workers in (1, 2, 3)]
    step, records, _ = alone
    assert step == 10
    assert [skipped for *_, skipped in records] == [1, 1, 1, 1]
    assert all(found == alone for found in several)


class Moving(nn.Module):
    """A layer that keeps a mean of what it sees, or takes a new one in its place."""

    seen: Tensor

    def __init__(self, replaces: bool) -> None:
        super().__init__()
        self.layer, self.replaces = nn.Linear(5, 3), replaces
        self.register_buffer("seen", torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.replaces:
            self.seen = self.seen + x.mean(0)
        elif self.training:
            self.seen.add_(x.mean(0))
        return self.layer(x - self.seen)  # type: ignore[no-any-return]


@pytest.mark.parametrize("replaces", [False, True])
def test_a_model_that_changes_its_own_buffers_is_refused_by_their_names(replaces: bool) -> None:
    several = replace(method(FIRST, 2), model=partial(Moving, replaces))
    with pytest.raises(
        ValueError, match=r"leave buffers other than those of batch normalisation .* it has changed \['seen'\]"
    ):
        ranks.trained(several, 1, rows(70))
    ranks.trained(replace(several, logical_workers=None), 1, rows(70))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"logical_workers": 0}, "logical_workers must be at least 1, got 0"),
        ({"kept_batch": "worker"}, "another batch on each; leave kept_batch at 'global'"),
        ({"sync_batchnorm": True}, "sync_batchnorm computes all shares side by side"),
    ],
)
def test_what_cannot_be_the_same_on_any_number_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(method(FIRST, 2), **changes)


def test_more_workers_than_shares_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="logical_workers=2 are for as many workers or fewer, got workers=3"):
        Training(**vars(method(FIRST, 2))).fit(pd.DataFrame(), features="x", label="y", workers=3, folder=str(tmp_path))
    assert not [*tmp_path.iterdir()]
