"""The gradients of a model as a few flat buffers, summed over all workers while backward still runs.

Each parameter's ``grad`` is a view into a buffer, so nothing is copied before or after the sum. Buffers are filled from the last
parameter to the first, the order in which backward produces gradients, and are always sent in the same order, so that a worker
without rows, which runs no backward, meets the others in each collective.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dlcore.step.collective import Collective, Wait
from dlcore.step.parameters import flat, trainable

BUCKET_BYTES = 8 * 2**20


class Gradients:
    """``slots`` further numbers travel with the first buffer: they are summed with the gradients at no extra message.

    Where the first gradients are of half precision, the numbers have a small buffer of their own before it. Each step begins with
    ``clear``; what is accumulated is sent while the backward runs that ``sending`` was called before, or else by ``finish``.
    """

    def __init__(self, model: nn.Module, collective: Collective, *, slots: int) -> None:
        self._collective = collective
        groups = [*_grouped([*trainable(model).values()][::-1])]
        if groups[0][0].dtype not in (torch.float32, torch.float64):
            groups.insert(0, [])
        self._buckets = [_Bucket(group, 0 if number else slots) for number, group in enumerate(groups)]
        self.slots = self._buckets[0].slots
        self.flats = [bucket.flat[: len(bucket.flat) - len(bucket.slots)] for bucket in self._buckets]
        self._waits: list[Wait] = []
        self._sending = False
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket.parameters:
                parameter.register_post_accumulate_grad_hook(partial(self._arrived, number))  # type: ignore[no-untyped-call]

    def join(self, collective: Collective) -> None:
        """Sum with another group from now on; what is under way with the one before is given up."""
        self._collective = collective
        self._waits = []

    def clear(self) -> None:
        """Set all gradients and slots to zero."""
        self._waits, self._sending = [], False
        for bucket in self._buckets:
            bucket.flat.zero_()
            bucket.missing = len(bucket.parameters)

    def sending(self) -> None:
        """Send each buffer as soon as the next backward, the step's last, has added to all of it."""
        self._sending = True

    def finish(self) -> None:
        """Send what backward has not, and wait until every buffer holds the sum over all workers."""
        while len(self._waits) < len(self._buckets):
            self._send()
        for wait in self._waits:
            wait()

    def _arrived(self, number: int, _: Tensor) -> None:
        if not self._sending:
            return
        self._buckets[number].missing -= 1
        while len(self._waits) < len(self._buckets) and self._buckets[len(self._waits)].missing == 0:
            self._send()

    def _send(self) -> None:
        self._waits.append(self._collective.sum(self._buckets[len(self._waits)].flat))


class _Bucket:
    def __init__(self, parameters: Sequence[nn.Parameter], slots: int) -> None:
        self.parameters = parameters
        self.flat, self.views = flat(parameters, slots=slots)
        self.slots = self.flat[len(self.flat) - slots :]
        self.missing = len(parameters)
        for view, parameter in zip(self.views, parameters, strict=True):
            parameter.grad = view


def _grouped(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    group: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if group and (size >= BUCKET_BYTES or parameter.dtype != group[0].dtype):
            yield group
            group, size = [], 0
        group.append(parameter)
        size += parameter.numel() * parameter.element_size()
    yield group
