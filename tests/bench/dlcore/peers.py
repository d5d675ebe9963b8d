"""The peers: DistributedDataParallel under TorchDistributor as its documentation writes it, and one tuned torch process.

PyTorch's own MNIST example reads pictures through torchvision's data set and transforms; other data, and MNIST a second time, lie in
memory as tensors, which spares the peer that work.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset, DistributedSampler, TensorDataset

from dlcore.step.tuning import keep_pages, tune_model


def pictures(root: str) -> Dataset[Any]:
    """MNIST as PyTorch's example reads it, from ``root``/MNIST/raw."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    digits: Dataset[Any] = MNIST(root, train=True, transform=Compose([ToTensor(), Normalize((0.1307,), (0.3081,))]))
    return digits


def tensors(file: str) -> TensorDataset:
    held = np.load(file)
    return TensorDataset(torch.from_numpy(held["pixels"]), torch.from_numpy(held["digit"]))


def ddp(kind: str, source: str, batch: int, epochs: int) -> list[float]:
    """What runs in each of TorchDistributor's processes; rows per second of each epoch, over all processes."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    from dlcore.zoo.classifiers import LeNet, inception

    dist.init_process_group("gloo")
    model = DistributedDataParallel(LeNet() if kind == "lenet" else inception())
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    data: Any = tensors(source) if source.endswith(".npz") else pictures(source)
    sampler: DistributedSampler[object] = DistributedSampler(data)
    loader = DataLoader(data, batch_size=batch // dist.get_world_size(), sampler=sampler)
    speeds = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        started = time.perf_counter()
        for x, y in loader:
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        speeds.append(len(data) / (time.perf_counter() - started))
    dist.destroy_process_group()
    return speeds


def tuned(model: nn.Module, file: str, batch: int, epochs: int, *, threads: int) -> list[float]:
    """One process as well set up as we know how: the same tuning, its own threads, data in memory, whole batches by index."""
    torch.set_num_threads(threads)
    keep_pages()
    model = tune_model(model)
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, fused=True)
    x, y = tensors(file).tensors
    speeds = []
    for _ in range(epochs):
        started = time.perf_counter()
        for rows in torch.randperm(len(x)).split(batch):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            cross_entropy(model(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        speeds.append(len(x) / (time.perf_counter() - started))
    return speeds


def saved(
    pixels: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", digits: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> Path:
    """Lay the data down where each process of the peers reads it."""
    file = Path(tempfile.mkdtemp(prefix="dlcore-bench-")) / "data.npz"
    np.savez(file, pixels=pixels, digit=digits)
    return file
