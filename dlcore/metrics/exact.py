"""Sums of floats that are exact, so that they do not depend on the order of their terms.

A float64 is a whole number of 53 bits times a power of two. For each power the whole numbers are summed in two int64, of their higher
27 and lower 26 bits, which hold 2**36 terms; these sums are whole numbers of any size in the end.
"""

from fractions import Fraction

import torch
from torch import Tensor

BITS, LOW = 53, 26
LEAST = -1073
"""The exponent of the smallest float64, as ``frexp`` has it; the largest has 1024."""
POWERS = 1024 - LEAST + 1


def exact_sum(values: Tensor) -> Tensor:
    """The sum of ``values`` as a state, int64 [2, POWERS + 1], which adds up; the last column counts values that are not finite."""
    values = values.detach().double().reshape(-1)
    finite = values.isfinite()
    mantissa, exponent = torch.frexp(values.where(finite, 1.0))
    whole = (mantissa * 2**BITS).long()
    power = (exponent.long() - LEAST).where(finite, POWERS)
    state = torch.zeros(2, POWERS + 1, dtype=torch.int64)
    state[0].index_add_(0, power, whole >> LOW)
    state[1].index_add_(0, power, whole & (2**LOW - 1))
    return state


def total(state: Tensor) -> Fraction | float:
    """The sum itself; NaN if a value was not finite."""
    if bool(state[:, POWERS].any()):
        return float("nan")
    used = state.any(0).nonzero()[:, 0].tolist()
    whole = sum(((int(state[0, power]) << LOW) + int(state[1, power])) << power for power in used)
    return Fraction(whole) * Fraction(2) ** (LEAST - BITS)
