"""The random numbers of torch, Python and numpy, seeded together: a model or a loss may draw from any of them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_all(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def seed_of(seed: int, *, step: int, share: int) -> int:
    """The random numbers of a step's share (dropout) are a function of integers, so no state of theirs need be saved."""
    return ((seed * 1_000_003 + step) * 65_537 + share) % 2**63


@contextmanager
def own_randomness() -> Iterator[None]:
    """Let the body seed as it likes: after it, all go on where they were before."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])
