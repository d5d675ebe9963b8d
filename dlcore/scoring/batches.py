"""How many rows a model is given at a time: a function of the model and the shape of a row alone, so that results are repeatable.

A forward pass is fastest when what its layers hand on stays in the processor's caches, and pays for its start when rows are few.
Measured on one core, part of the best speed by the bytes that all layers give of a batch: a perceptron of 30-64-1 has 0.99 at
2 MB (4,096 rows) and 0.3 to 0.6 at 4 MB and more; convolutions of 16 and 32 channels at 28 x 28 have 0.96 to 1.0 at 11 to 22 MB
(32 and 64 rows), 0.7 at 90 MB and 0.3 to 0.5 from 360 MB on; ResNet-18 has 0.62 at a row and 0.9 at four.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dlcore.step.method import Asynchronous, predicted

ACTIVATION_BYTES = 16 * 2**20
FEWEST, MOST = 4, 4096


def batch_rows(module: nn.Module, inputs: Any) -> int:
    """A power of two of rows like ``inputs``, which is one row, whose activations are ``ACTIVATION_BYTES`` at most if it can be."""
    return rows_of(activation_bytes(module, inputs))


def rows_of(bytes_a_row: int) -> int:
    rows = max(FEWEST, min(MOST, ACTIVATION_BYTES // max(1, bytes_a_row)))
    return 1 << (rows.bit_length() - 1)


def activation_bytes(module: nn.Module, inputs: Any) -> int:
    """The bytes of a row and of what every layer makes of it."""
    if isinstance(module, Asynchronous):
        return module.activation_bytes(inputs)
    counted = [_bytes(inputs)]
    layers = [each for each in module.modules() if not any(True for _ in each.children())]
    hooks = [layer.register_forward_hook(lambda _, __, made: counted.append(_bytes(made))) for layer in layers]
    try:
        with torch.inference_mode():
            predicted(module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counted)


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0
