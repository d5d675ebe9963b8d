"""Steps with logical workers beside steps without: ``python -m tests.bench.dlcore.logical lenet MNIST_FOLDER`` or ``... inception``.

Two processes of one thread, each with an engine of both kinds, take a step with one, then with the other, by turns. So whatever else
the machine does meets both alike; the fastest tenth of the steps is that which it meets least.
"""

import argparse
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pandas as pd
from torch import nn
from torch._C._distributed_c10d import PrefixStore, TCPStore
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from dlcore import Constant
from dlcore.parallel.collective import ProcessGroup
from dlcore.step.engine import Engine
from dlcore.step.method import Method
from dlcore.step.tuning import tune_process
from dlcore.zoo.classifiers import LeNet, inception
from tests.bench.dlcore.pictures import mnist, pictures
from tests.dlcore.step.ranks import beginning, resident

WORKERS = 2
WARM_UP = 3
"""Steps that are not counted."""


def method(work: str, shares: int | None) -> Method:
    build: partial[nn.Module] = partial(LeNet if work == "lenet" else inception)
    return Method(
        model=build,
        loss=cross_entropy,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.01),
        batch=2048 if work == "lenet" else 32,
        epochs=10_000,
        logical_workers=shares,
    )


def data(work: str, folder: Path | None) -> pd.DataFrame:
    return pictures(64) if folder is None else mnist(folder, "train")[: 10 * 2048]


def rank(work: str, folder: Path | None, steps: int, port: int, number: int) -> list[tuple[float, float]]:
    """The seconds of each step without logical workers and of that with them which followed it."""
    tune_process(1)
    rows, store = resident(data(work, folder), features=["pixels"], label="digit"), TCPStore("127.0.0.1", port)
    with ExitStack() as ends:

        def engine(shares: int | None) -> Engine:
            ours = method(work, shares)
            made = ends.enter_context(closing(Engine(ours, rows, None)))
            made.load(*beginning(ours), rank=number, workers=WORKERS)
            own = PrefixStore(str(shares), store)
            group = ProcessGroup(own, rank=number, workers=WORKERS, address="127.0.0.1", patience_s=120)
            made.join(ends.enter_context(closing(group)))
            return made

        one, other = engine(None), engine(WORKERS)
        return [(seconds(one), seconds(other)) for _ in range(WARM_UP + steps)][WARM_UP:]


def seconds(engine: Engine) -> float:
    started = time.perf_counter()
    engine.run(lambda: True, lambda _, record: None)
    return time.perf_counter() - started


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("work", choices=["lenet", "inception"])
    arguments.add_argument("folder", nargs="?", type=Path, help="the four MNIST idx files, for lenet")
    arguments.add_argument("--steps", type=int, default=None, help="of each kind; 300 of lenet, 30 of inception")
    given = arguments.parse_args()
    if (given.work == "lenet") != (given.folder is not None):
        arguments.error(
            f"lenet takes the folder of MNIST's files, and inception none; got {given.work} and {given.folder}"
        )
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    store, steps = (
        TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False),
        given.steps or (300 if given.folder else 30),
    )
    part = partial(rank, given.work, given.folder, steps, store.port)
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        taken, _ = pool.map(part, range(WORKERS))
    for name, tenths in (("median", 5), ("fastest tenth", 1)):
        reduced, logical = (statistics.quantiles(each, n=10)[tenths - 1] * 1000 for each in zip(*taken, strict=True))
        print(
            f"{given.work}, {name}: {reduced:.1f} ms without, {logical:.1f} ms with logical workers: {reduced / logical:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
