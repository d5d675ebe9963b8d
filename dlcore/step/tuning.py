"""How torch is set up in a worker: threads, memory allocation and memory format. The results stay the same within float rounding."""

import ctypes
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from dlcore.parallel.normalisation import convert_batchnorm
from dlcore.step.lrn import replace_lrn

log = logging.getLogger("dlcore")

Precision = Literal["float32", "bfloat16"]
BF16 = ("amx_bf16", "avx512_bf16")
INT8 = ("amx_int8", "avx512_vnni", "avx_vnni")
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
LARGEST = 2**31 - 1
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more on 64 bits


def tune_process(cores: int, *, loaders: int = 0) -> str:
    """Use a thread for each of the task's ``cores`` that is a core of its own, and keep freed memory; says what was chosen.

    ``loaders`` of the threads are not torch's.
    """
    machine = processor()
    threads, loaders = divided(machine.real(cores), loaders)
    torch.set_num_threads(threads)
    memory = "freed memory is kept" if keep_pages() else "malloc is as it was"
    freeze_modules()
    counted = [_counted(threads, "torch thread")] + [_counted(loaders, "loader thread")] * (loaders > 0)
    return f"{' and '.join(counted)} for {cores} of {machine}, {memory}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def divided(cores: int, loaders: int) -> tuple[int, int]:
    """How a task's cores are shared by torch and by threads that transform rows: together they are never more than the cores.

    So on one core the training thread transforms its rows itself.
    """
    loaders = min(loaders, cores - 1)
    return cores - loaders, loaders


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What this process may run on: ``logical`` processors of ``physical`` cores, and their units that speed bf16 and int8 up."""

    logical: int
    physical: int
    units: frozenset[str]

    def __str__(self) -> str:
        threads = (
            f"{self.logical // self.physical} hyper-threads a core"
            if self.logical > self.physical
            else "no hyper-threads"
        )
        kinds = [self._having(kind, names) for kind, names in (("bf16", BF16), ("int8", INT8))]
        return f"{self.logical} processors ({threads}; {', '.join(kinds)})"

    def real(self, cores: int) -> int:
        """How many of ``cores`` are cores of their own."""
        return max(1, min(cores, self.physical))

    def _having(self, kind: str, names: tuple[str, ...]) -> str:
        found = [name for name in names if name in self.units]
        return f"{kind} by {' and '.join(found)}" if found else f"no {kind} units"


def processor() -> Processor:
    """The processors of this process, as Linux tells of them; hyper-threads are unknown elsewhere."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    return Processor(logical=len(mine), physical=len({_core(number) for number in mine}), units=frozenset(cpu_units()))


def _core(number: int) -> str:
    """A name of the core that a logical processor belongs to: its siblings."""
    file = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
    return file.read_text().strip() if file.exists() else str(number)


def keep_pages() -> bool:
    """Tell glibc to keep freed pages: activations are as large at each step, and fresh pages cost a fault and a clearing each."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {TRIM_THRESHOLD: LARGEST, TOP_PAD: LARGEST, MMAP_THRESHOLD: LARGEST}
    taken = {name: bool(mallopt(name, value)) for name, value in wanted.items()}
    return all(taken.values()) or bool(mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD))


@cache
def freeze_modules() -> None:
    """Take what is imported out of garbage collection, once: Spark collects at each task's end, and would look through all of it."""
    gc.freeze()


def give_back_pages() -> None:
    """Give the freed pages that were kept back to the system, when no step follows."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def cpu_units() -> set[str]:
    """Which of the units that speed bf16 and int8 up this processor has."""
    flags = next((line for line in _cpuinfo().splitlines() if line.startswith("flags")), "").split()
    return {*BF16, *INT8} & {*flags}


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


def tune_model(model: nn.Module) -> nn.Module:
    """Lay convolutions out channels last, normalise responses by a banded convolution, and batches of one value a channel too."""
    replace_lrn(model)
    convert_batchnorm(model)
    if any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Use ``threads`` torch threads in the body, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Compute forward passes in ``precision``; weights, gradients and sums stay float32."""
    if precision == "float32":
        yield
        return
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode in the body, and then back in its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
