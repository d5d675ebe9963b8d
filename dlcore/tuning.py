"""How torch is set up in a worker: threads, memory allocation and memory format. The results stay the same within float rounding."""

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from dlcore.lrn import replace_lrn

log = logging.getLogger("dlcore")

Precision = Literal["float32", "bfloat16"]
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
LARGEST = 2**31 - 1
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more on 64 bits


def tune_process(threads: int) -> str:
    """Use ``threads`` threads and keep freed memory; returns a sentence that says what was chosen."""
    torch.set_num_threads(threads)
    kept = keep_pages()
    units = ", ".join(sorted(cpu_units())) or "no bf16 or int8 units"
    memory = "freed memory is kept" if kept else "malloc is as it was"
    return f"{threads} torch thread{'s' if threads > 1 else ''}, {memory}, processor has {units}"


def keep_pages() -> bool:
    """Tell glibc to keep freed pages: activations are as large at each step, and fresh pages cost a fault and a clearing each."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {TRIM_THRESHOLD: LARGEST, TOP_PAD: LARGEST, MMAP_THRESHOLD: LARGEST}
    taken = {name: bool(mallopt(name, value)) for name, value in wanted.items()}
    return all(taken.values()) or bool(mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD))


def cpu_units() -> set[str]:
    """Which of the units that speed bf16 and int8 up this processor has."""
    flags = next((line for line in _cpuinfo().splitlines() if line.startswith("flags")), "").split()
    return {name for name in ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni") if name in flags}


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""


def tune_model(model: nn.Module) -> nn.Module:
    """Lay convolutions out channels last and normalise responses by a banded convolution."""
    replace_lrn(model)
    if any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in model.modules()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Compute forward passes in ``precision``; weights, gradients and sums stay float32."""
    if precision == "float32":
        yield
        return
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
