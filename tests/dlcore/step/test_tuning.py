"""Tuning changes speed, not results: the banded normalisation equals torch's, and a tuned model the one it was."""

import os

import pytest
import torch
from torch import nn

from dlcore.step.lrn import BandedLRN, replace_lrn
from dlcore.step.tuning import Processor, computing_in, cpu_units, keep_pages, processor, tune_model, tune_process


@pytest.mark.parametrize(("size", "beta", "k"), [(5, 0.75, 1.0), (4, 0.75, 2.0), (3, 0.5, 1.0), (9, 0.75, 1.0)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_banded_normalisation_equals_torch(
    size: int, beta: float, k: float, memory_format: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 7, 5, 4, generator=generator, dtype=torch.float64).to(memory_format=memory_format)
    weights = torch.randn(3, 7, 5, 4, generator=generator, dtype=torch.float64)
    found = []
    for kind in (nn.LocalResponseNorm, BandedLRN):
        mine = x.clone().requires_grad_()
        normalised = kind(size, alpha=0.3, beta=beta, k=k)(mine)
        (normalised * weights).sum().backward()
        assert mine.grad is not None
        found.append((normalised.detach(), mine.grad))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-9, atol=1e-12)


def network() -> nn.Module:
    torch.manual_seed(2)
    inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5))
    return nn.Sequential(inner, nn.Flatten(), nn.Linear(8 * 36, 4))


def test_a_tuned_model_gives_what_it_gave() -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(tune_model(network())(x), network()(x), rtol=1e-5, atol=1e-6)
    assert replace_lrn(network()) == 1
    assert tune_model(network()).state_dict().keys() == network().state_dict().keys()


def test_bfloat16_is_near_and_leaves_weights_alone() -> None:
    model, x = network(), torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with computing_in("bfloat16"):
        near = model(x)
    assert near.dtype == torch.bfloat16
    torch.testing.assert_close(near.float(), model(x), rtol=0.05, atol=0.02)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_machine_is_recognised() -> None:
    assert keep_pages()
    here = processor()
    assert here.logical == len(os.sched_getaffinity(0))
    assert 1 <= here.physical <= here.logical
    assert here.units == cpu_units() <= {"amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni"}


def test_units_and_hyper_threads_are_said() -> None:
    fast = Processor(logical=8, physical=4, units=frozenset({"amx_bf16", "avx512_vnni", "amx_int8"}))
    assert str(fast) == "8 processors (2 hyper-threads a core; bf16 by amx_bf16, int8 by amx_int8 and avx512_vnni)"
    plain = Processor(logical=2, physical=2, units=frozenset())
    assert str(plain) == "2 processors (no hyper-threads; no bf16 units, no int8 units)"


def test_there_are_never_more_threads_than_cores() -> None:
    before = torch.get_num_threads()
    try:
        assert tune_process(1).startswith("1 torch thread for 1 of ")
        assert torch.get_num_threads() == 1
        tune_process(64)
        assert torch.get_num_threads() == processor().physical
    finally:
        torch.set_num_threads(before)
