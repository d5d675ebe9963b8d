"""A closed-form model of a step on many nodes, from costs measured here: ``python -m tests.bench.dlcore.planner``.

A node is this machine. Measured are the seconds of forward and backward a step, those of a message between two processes by gloo over
loopback, and the pause between two groups of a training on Spark. Only the networks' bandwidth and latency are given.

A ring all-reduce of B bytes on N nodes sends 2 (N - 1) / N of B over each link and passes 2 (N - 1) messages in turn. Buckets are
summed while backward runs, so only what outlasts the backward behind it is seen, at least the last bucket.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cross_entropy
from torch.optim import SGD
from torchvision.models import resnet50

from dlcore import Constant, Training
from dlcore.parallel.gradients import BUCKET_BYTES
from dlcore.spark.group import length_s
from dlcore.step.tuning import keep_pages, tune_model
from dlcore.zoo.classifiers import LeNet, inception
from tests.bench.dlcore.session import session

NODES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NETWORKS = {"1 Gbit/s": (0.118e9, 60e-6), "10 Gbit/s": (1.15e9, 40e-6), "25 Gbit/s": (2.8e9, 25e-6)}
"""Bytes a second, and the seconds a message takes beside those that gloo spends on it."""
LONGEST_GROUP_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """A model's step on one node: bytes of gradients, seconds of forward and of backward."""

    name: str
    bytes: int
    forward_s: float
    backward_s: float

    @property
    def compute_s(self) -> float:
        return self.forward_s + self.backward_s


def measured(name: str, build: Callable[[], nn.Module], inputs: Tensor, classes: int, *, steps: int = 5) -> Work:
    """The median of some steps of a tuned model after the first two."""
    model = tune_model(build())
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    targets = torch.randint(0, classes, (len(inputs),))
    times = [one_step(model, optimizer, inputs, targets) for _ in range(steps + 2)][2:]
    forward, backward = (statistics.median(each) for each in zip(*times, strict=True))
    size = 4 * sum(parameter.numel() for parameter in model.parameters())
    return Work(name=name, bytes=size, forward_s=forward, backward_s=backward)


def one_step(model: nn.Module, optimizer: SGD, inputs: Tensor, targets: Tensor) -> tuple[float, float]:
    optimizer.zero_grad()
    began = time.perf_counter()
    loss = cross_entropy(model(inputs), targets)
    between = time.perf_counter()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return between - began, time.perf_counter() - between


def message_s() -> float:
    """Seconds of one message: a sum of one number over two processes passes two in turn."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(_messages, args=(folder,), nprocs=2)  # type: ignore[no-untyped-call]
        return float((Path(folder) / "seconds").read_text())


def _messages(rank: int, folder: str, count: int = 2000) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    number = torch.zeros(1)
    for _ in range(100):
        dist.all_reduce(number)
    began = time.perf_counter()
    for _ in range(count):
        dist.all_reduce(number)
    if rank == 0:
        (Path(folder) / "seconds").write_text(str((time.perf_counter() - began) / count / 2))
    dist.destroy_process_group()


def pause_s() -> float:
    """Seconds between two groups on Spark: the shortest groups there are, each many short epochs long."""
    spark = session()
    rows = spark.range(200_000).selectExpr("rand(1) AS x", "rand(2) AS y")
    training = Training(
        model=partial(nn.Linear, 1, 1),
        loss=nn.functional.mse_loss,
        optimizer=SGD,
        schedule=Constant(lr=0.01),
        batch=500,
        epochs=30,
        group_s=1.0,
    )
    history = training.fit(rows, features=["x"], label="y", workers=2).history
    spark.stop()
    pauses = [record.scheduling_s + record.commits_s for record in history if record.scheduling_s > 0]
    return statistics.median(pauses)


def ring_s(size: float, nodes: int, *, bandwidth: float, latency_s: float) -> float:
    """Seconds of a ring all-reduce of ``size`` bytes."""
    if nodes == 1:
        return 0.0
    return 2 * (nodes - 1) * (size / nodes / bandwidth + latency_s)


def synchronisation_s(work: Work, nodes: int, *, bandwidth: float, latency_s: float) -> float:
    """Seconds a step waits for the sum: what does not fit behind backward, at least the bucket that backward ends with."""
    buckets = max(1, round(work.bytes / BUCKET_BYTES))
    one = ring_s(work.bytes / buckets, nodes, bandwidth=bandwidth, latency_s=latency_s)
    return max(one, buckets * one - work.backward_s * (buckets - 1) / buckets)


def main() -> None:
    keep_pages()
    threads, message, pause = torch.get_num_threads(), message_s(), pause_s()
    group = length_s(pause, longest_s=LONGEST_GROUP_S)
    works = [
        measured("LeNet-5, 1024 rows a node", LeNet, torch.rand(1024, 784), 10),
        measured("Inception v1, 32 a node", inception, torch.rand(32, 3 * 224 * 224), 1000),
        measured("ResNet-50, 32 a node", resnet50, torch.rand(32, 3, 224, 224), 1000),
    ]
    print(
        f"measured on a node of {threads} threads: a message {message * 1e6:.0f} us, a pause {pause:.2f} s, so groups of {group:.0f} s"
    )
    for work in works:
        print(
            f"  {work.name}: {work.bytes / 1e6:.1f} MB, forward {work.forward_s:.3f} s, backward {work.backward_s:.3f} s"
        )
    for name, (bandwidth, latency_s) in NETWORKS.items():
        print(f"\n{name}: share of synchronisation by nodes (published: 4 % of compute on 4 nodes, 7 % on 32)")
        print(f"{'':28s}" + "".join(f"{nodes:>7d}" for nodes in NODES))
        for work in works:
            waits = [synchronisation_s(work, n, bandwidth=bandwidth, latency_s=latency_s + message) for n in NODES]
            print(f"{work.name:28s}" + "".join(f"{wait / (wait + work.compute_s):7.1%}" for wait in waits))
    print(f"\nSpark's share of any: {pause / (group + pause):.1%} (published: 1.2 % with groups, 3.6 to 11 % without)")


if __name__ == "__main__":
    main()
