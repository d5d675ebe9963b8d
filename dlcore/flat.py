"""Many tensors as one flat buffer: what is computed tensor by tensor is sent in one piece, and nothing is copied."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

ALIGNMENT = 16
"""Elements: views start on 64-byte lines, so that vector code takes the same path in every process."""


def flat(like: Sequence[Tensor], *, slots: int = 0) -> tuple[Tensor, list[Tensor]]:
    """A buffer of zeros with ``slots`` further elements at its end, and a view of it for each tensor, in that one's memory format."""
    starts = list(_starts(like))
    buffer = torch.zeros(starts[-1] + slots, dtype=like[0].dtype)
    return buffer, [_view(buffer, start, tensor) for start, tensor in zip(starts, like, strict=False)]


def _starts(tensors: Sequence[Tensor]) -> Iterator[int]:
    start = 0
    for tensor in tensors:
        yield start
        start += -(-tensor.numel() // ALIGNMENT) * ALIGNMENT
    yield start


def _view(buffer: Tensor, start: int, like: Tensor) -> Tensor:
    """A view with the strides of ``like``: an optimizer walks both in the same order, and a convolution takes it for the same format."""
    return buffer[start : start + like.numel()].as_strided(like.shape, like.stride())
