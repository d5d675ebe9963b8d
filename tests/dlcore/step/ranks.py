"""A training by several ranks: threads of this process that meet over gloo, as the workers of a Spark job do."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import torch
from torch._C._distributed_c10d import TCPStore

from dlcore import Progress
from dlcore.data.layout import Layout
from dlcore.data.rows import Resident
from dlcore.parallel.collective import Alone, Collective, ProcessGroup
from dlcore.step.engine import Engine
from dlcore.step.method import Method
from dlcore.step.state import Figures, Slice, capture

State = tuple[Figures, list[Slice]]


def resident(table: pa.Table | pd.DataFrame, *, features: Any = "x", label: Any = "y") -> Resident:
    """Rows of a table as a worker holds them."""
    table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)
    layout = Layout.of(table.schema, features=features, label=label)
    return Resident(layout, layout.cells(table))


def beginning(method: Method) -> State:
    model = method.build()
    return Figures(), [capture(model, method.optimize(model), model.state_dict())]


def trained(
    method: Method,
    workers: int,
    rows: Resident,
    *,
    validation: Resident | None = None,
    batch: int | None = None,
    after: State | None = None,
    stop_after: int = 0,
    **engine: Any,
) -> list[tuple[Engine, list[Progress]]]:
    """The engine of each rank after the whole run, and the records it made."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))

    start = after or beginning(method)  # here, since random numbers are the whole process's

    def met(rank: int) -> Collective:
        client = TCPStore("127.0.0.1", store.port, is_master=False, timeout=timedelta(seconds=20))
        return ProcessGroup(client, rank=rank, workers=workers, address="127.0.0.1", patience_s=20)

    def train(rank: int, collective: Collective) -> tuple[Engine, list[Progress]]:
        live = Engine(method, rows, validation, **engine)
        live.load(*start, rank=rank, workers=workers, batch=batch)
        live.join(collective)
        told: list[Progress] = []
        live.run(lambda: live.step + 1 == stop_after, lambda _, record: told.append(record))
        return live, told

    with uncollected(), ThreadPoolExecutor(workers) as pool:
        group: list[Collective] = list(pool.map(met, range(workers))) if workers > 1 else [Alone()]
        try:
            return list(pool.map(train, range(workers), group))
        finally:
            for collective in group:  # an open one wakes up a hundred times a second
                collective.close()


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected meanwhile: torch reads its generator under a lock, and where a collection inside that lets another thread
    run, which waits for the lock and has Python's, neither goes on. Workers have one thread that does so.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def weights(engine: Engine) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in engine.model.parameters()])
