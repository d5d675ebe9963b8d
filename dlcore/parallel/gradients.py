"""The gradients of a model as a few flat buffers, summed over all shares while backward still runs.

Each parameter's ``grad`` is a view into a buffer, so nothing is copied before or after the sum. Buffers are filled from the last
parameter to the first, the order in which backward produces gradients, and are always sent in the same order, so that a worker
without rows, which runs no backward, meets the others in each collective.

A mark for each parameter that backward came to travels in its buffer: what no worker used has no gradient, on any number of them.
"""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dlcore.parallel.collective import Wait
from dlcore.parallel.parameters import flat, trainable
from dlcore.parallel.reduction import Reduction
from dlcore.parallel.tree import put

BUCKET_BYTES = 8 * 2**20


class Gradients:
    """``slots`` further numbers, an array, travel with the first buffer: they are summed with the gradients at no extra message.

    Where the first gradients are of half precision, the numbers have a small buffer of their own before it. A step is ``clear``, then
    ``expect`` and a backward once or several times, then ``finish``; between two shares of the worker's, ``next_share``. While the last
    backward runs, buffers that are full are sent.

    A backward inside a backward, as of re-entrant checkpoints, may come to a parameter several times. The first backward is watched
    for it, with nothing sent before its end; where it was so, nothing ever is.

    Where each rank has its ``owned`` parameters to step, it gets the sum of their gradients alone. ``flats`` are the sums that this rank
    gets, and ``own`` are those of its parameters by name.
    """

    def __init__(self, model: nn.Module, *, slots: int) -> None:
        self._parameters, self._count = trainable(model), slots
        self._hooks: list[RemovableHandle] = []
        self._drop()

    def lay(self, owned: Sequence[Mapping[str, nn.Parameter]]) -> None:
        """Lay the buffers out for parameters ``owned`` by ranks, or by none; `join` follows."""
        self.owned = owned
        self._drop()
        groups = [*_grouped(dict([*self._parameters.items()][::-1]))]
        if _dtype(groups[0]) not in (torch.float32, torch.float64):
            groups.insert(0, {})
        self._buckets = [_Bucket(group, 0 if number else self._count, owned) for number, group in enumerate(groups)]
        self.slots = self._buckets[0].slots.numpy()
        for hook in self._hooks:
            hook.remove()
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(partial(_arrived, weakref.ref(self), number, place))  # type: ignore[no-untyped-call]
            for number, bucket in enumerate(self._buckets)
            for place, parameter in enumerate(bucket.parameters.values())
        ]

    def _drop(self) -> None:
        """Let go of the buffers, so that no others are held beside them, and of what was watched."""
        self._buckets, self.slots = list[_Bucket](), np.empty(0)
        self.flats, self.own = list[Tensor](), dict[str, Tensor]()
        self._watched = self._repeated = self._last = False
        for parameter in self._parameters.values():
            parameter.grad = None

    def join(self, reduction: Reduction) -> None:
        """Sum with another group from now on; what is under way with the one before is given up."""
        self._reduction, self._share = reduction, reduction.held.start
        self._waits: list[Wait] = []
        rank = reduction.collective.rank
        mine = self.owned[rank] if self.owned else self._parameters
        self.flats = [
            bucket.gradients[bucket.cuts[rank]] if self.owned else bucket.gradients for bucket in self._buckets
        ]
        views = {name: view for bucket in self._buckets for name, view in bucket.views.items()}
        self.own = {name: views[name] for name in self._parameters if name in mine}

    def clear(self) -> None:
        """Set all gradients and slots to zero, for the first of this worker's shares."""
        self._waits, self._last, self._share = [], False, self._reduction.held.start
        for bucket in self._buckets:
            bucket.parts = {}
            bucket.clear()

    def gather(self) -> None:
        """Give every rank the sums that others own."""
        for bucket in self._buckets:
            for rank, cut in enumerate(bucket.cuts):
                self._reduction.collective.broadcast(bucket.gradients[cut], source=rank)()

    def next_share(self) -> None:
        """Put aside what a share has given, and begin with the next at zero."""
        for bucket in self._buckets:
            put(bucket.parts, self._share, bucket.given().clone(), shares=self._reduction.shares)
            bucket.clear()
        self._share += 1

    def expect(self, *, last: bool) -> None:
        """Expect a backward, which adds to the gradients; the step's ``last`` or another."""
        self._last = last
        for bucket in self._buckets:
            bucket.expect()

    def finish(self) -> None:
        """Send what backward has not, wait until every buffer holds the sum over all shares, and drop gradients that nobody has."""
        self._watched = self._watched or any(any(bucket.came) for bucket in self._buckets)
        while len(self._waits) < len(self._buckets):
            self._send()
        for wait in self._waits:
            wait()
        for bucket in self._buckets:
            bucket.drop_unused()

    def arrived(self, number: int, place: int) -> None:
        """Take note that backward came to a parameter, and send the buffers that it was the last of."""
        bucket = self._buckets[number]
        if bucket.came[place]:
            self._repeated = True
            if bucket.sent:
                raise _again([*bucket.parameters][place])
        bucket.missing -= not bucket.came[place]
        bucket.came[place] = bucket.used[place] = True
        if self._last and self._watched and not self._repeated:
            while len(self._waits) < len(self._buckets) and self._buckets[len(self._waits)].missing == 0:
                self._send()

    def _send(self) -> None:
        bucket = self._buckets[len(self._waits)]
        given, bucket.sent = bucket.given(), True
        put(bucket.parts, self._share, given, shares=self._reduction.shares)
        if self.owned:
            self._waits.append(self._reduction.scatter(bucket.parts, given, bucket.cuts))
        else:
            self._waits.append(self._reduction.sum(bucket.parts, given))


def _arrived(gradients: "weakref.ref[Gradients]", number: int, place: int, _: Tensor) -> None:
    """A parameter's hook. It holds nothing: Python does not collect a cycle through what torch keeps, and a run would never be let go."""
    if (found := gradients()) is not None:
        found.arrived(number, place)


def _again(name: str) -> RuntimeError:
    return RuntimeError(
        f"each parameter must get its gradient once in a backward, or several times from the first backward on; {name} got a second "
        "one after its sum over workers had begun. Give torch.utils.checkpoint use_reentrant=False"
    )


class _Bucket:
    """Parameters by name whose gradients, then a mark for each of them, then ``slots``, lie in one buffer: those of a rank in its cut.

    A parameter is ``used`` if a backward of this share came to it, ``came`` if this backward did. ``parts`` are the sums of shares.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], slots: int, owned: Sequence[Mapping[str, nn.Parameter]]
    ) -> None:
        ranked = [[name for name in parameters if name in mine] for mine in owned] or [[*parameters]]
        self.parameters = {name: parameters[name] for mine in ranked for name in mine}
        self.parts, count = dict[range, Tensor](), len(parameters)
        self._flat, views = flat([*self.parameters.values()], slots=count + slots)
        self.views = dict(zip(self.parameters, views, strict=True))
        end = len(self._flat) - count - slots
        self.gradients, self._marks, self.slots = torch.split(self._flat, [end, count, slots])
        starts = [*(view.storage_offset() for view in views), end]
        ends = [starts[place] for place in accumulate(map(len, ranked), initial=0)]
        self.cuts = [slice(*each) for each in pairwise(ends)]
        self.clear()

    def clear(self) -> None:
        self._flat.zero_()
        self.used, self.sent = [False] * len(self.parameters), False
        self.expect()
        for view, parameter in zip(self.views.values(), self.parameters.values(), strict=True):
            if parameter.grad is not view:
                parameter.grad = view

    def expect(self) -> None:
        self.came, self.missing = [False] * len(self.parameters), len(self.parameters)

    def given(self) -> Tensor:
        """The buffer, with the marks of what this share has used."""
        if all(self.used):
            self._marks.fill_(1)
        else:
            self._marks.copy_(torch.tensor(self.used))
        return self._flat

    def drop_unused(self) -> None:
        for mark, parameter in zip(self._marks.tolist(), self.parameters.values(), strict=True):
            if not mark:
                parameter.grad = None


def _grouped(parameters: Mapping[str, nn.Parameter]) -> Iterator[dict[str, nn.Parameter]]:
    group: dict[str, nn.Parameter] = {}
    size = 0
    for name, parameter in parameters.items():
        if group and (size >= BUCKET_BYTES or parameter.dtype != _dtype(group)):
            yield group
            group, size = {}, 0
        group[name] = parameter
        size += parameter.numel() * parameter.element_size()
    yield group


def _dtype(group: Mapping[str, nn.Parameter]) -> torch.dtype:
    return next(iter(group.values())).dtype
