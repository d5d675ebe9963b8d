"""A sum over workers by `Reduction`, beside gloo's all-reduce of the same floats: ``python -m tests.bench.dlcore.exchange [--workers 4]``.

Workers are processes of one thread, as many as cores or more. Sums are timed one after the other, then each behind a matrix product
as a step would have it.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from torch._C._distributed_c10d import TCPStore

from dlcore.parallel.collective import ProcessGroup
from dlcore.parallel.reduction import Reduction
from dlcore.parallel.tree import put
from dlcore.step.tuning import tune_process

FLOATS = {"a perceptron of 30-64-1": 2_049, "LeNet-5": 44_426, "Inception v1": 7_000_000}
ROUNDS, WARM_UP = 10, 3
WORK = 256
"""The side of the matrices that are multiplied between two sums."""
Sum = Callable[[], None]


def rank(floats: int, workers: int, port: int, number: int) -> list[list[float]]:
    """The seconds of sums of each kind: one after the other by gloo and by us, then behind a product."""
    tune_process(1)
    store = TCPStore("127.0.0.1", port)
    with closing(ProcessGroup(store, rank=number, workers=workers, address="127.0.0.1", patience_s=120)) as group:
        reduction, tensor = Reduction(group), torch.zeros(floats)

        def by_gloo() -> None:
            group._group.allreduce([tensor]).wait()  # type: ignore[attr-defined]

        def by_reduction() -> None:
            parts: dict[range, torch.Tensor] = {}
            put(parts, number, tensor, shares=workers)
            reduction.sum(parts, tensor)()

        found = [[*timed(each, floats, busy=busy)] for busy in (False, True) for each in (by_gloo, by_reduction)]
        reduction.close()
    return found


def timed(work: Sum, floats: int, *, busy: bool) -> Iterator[float]:
    left, right = torch.ones(WORK, WORK), torch.ones(WORK, WORK)
    for turn in range(WARM_UP + ROUNDS * max(1, 500_000 // floats)):
        if busy:
            torch.mm(left, right)
        before = time.perf_counter()
        work()
        if turn >= WARM_UP:
            yield time.perf_counter() - before


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workers", type=int, default=2)
    workers = arguments.parse_args().workers
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    print(f"{workers} workers, ms a sum, median (mean): by gloo's all-reduce, by Reduction; then behind a product")
    for name, floats in FLOATS.items():
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            found, *_ = pool.map(partial(rank, floats, workers, store.port), range(workers))
        told = (f"{1e3 * statistics.median(each):.2f} ({1e3 * statistics.mean(each):.2f})" for each in found)
        print(f"{name}, {floats:,} floats: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
