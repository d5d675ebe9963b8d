"""The engine in groups of threads over gloo: what one worker waits for, and what all of them end with."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._C._distributed_c10d import TCPStore
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import Constant, Progress
from dlcore.collective import Alone, Collective, Gloo
from dlcore.engine import Engine
from dlcore.recipe import Recipe
from dlcore.shards import Resident

RECIPE: dict[str, Any] = {
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
    return Resident({"input": x, "target": x.sum(axis=1)})


def trained(recipe: Recipe, workers: int) -> list[tuple[Engine, list[Progress]]]:
    """The engine of each rank after the whole run, and the records it made."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))

    def train(rank: int) -> tuple[Engine, list[Progress]]:
        client = TCPStore("127.0.0.1", store.port, is_master=False, timeout=timedelta(seconds=20))
        several: Callable[[], Collective] = partial(
            Gloo, client, rank=rank, workers=workers, address="127.0.0.1", patience_s=20
        )
        engine = Engine(recipe, rows(), None, several() if workers > 1 else Alone())
        told: list[Progress] = []
        engine.run(engine.steps, lambda: False, lambda _, record: told.append(record))
        return engine, told

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(train, range(workers)))


def test_waiting_for_a_slow_worker_is_synchronisation() -> None:
    def slow(prediction: Tensor, target: Tensor) -> Tensor:
        if len(target) == 5:  # the shares of the second and the third worker; the first has 6 of 16 rows
            time.sleep(0.05)
        return mse_loss(prediction, target)

    found = trained(Recipe(**RECIPE | {"loss": slow}), 3)
    assert sum(record.synchronisation_s for record in found[0][1]) > 0.3
    for one, two in zip(found[0][0].model.parameters(), found[1][0].model.parameters(), strict=True):
        assert torch.equal(one, two)
