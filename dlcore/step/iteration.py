"""One worker's part of one step: the gradients of its shares, their sum over all, and what the optimizer makes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import nn
from torch.optim import Optimizer

from dlcore.data.feed import Batch
from dlcore.optim.clipping import Clip, ClipNorm, ClipValue, norms
from dlcore.optim.eager import stepper
from dlcore.optim.penalties import add_gradient
from dlcore.optim.schedules import base_rate
from dlcore.parallel.buffers import OwnBuffers
from dlcore.parallel.collective import Alone
from dlcore.parallel.finiteness import finite, ranks_not_finite, skip_or_stop
from dlcore.parallel.gradients import Gradients
from dlcore.parallel.normalisation import BatchStatistics
from dlcore.parallel.parameters import Weights, trainable
from dlcore.parallel.reduction import Reduction
from dlcore.step.method import Method
from dlcore.step.objective import Objective
from dlcore.step.progress import Records
from dlcore.step.randomness import seed_all, seed_of
from dlcore.step.state import Since, Sums

LOSS, STOP, WEIGHT, PAIRS, SECONDS = range(5)
"""What travels with the gradients: the loss, how many ask for a stop, the weight, how many losses were no means, and rank 0's time."""


class Iteration:
    """Steps of a live model by a method, with the workers of ``join`` and the optimizer of ``update_by``.

    With ``average_every`` a worker's share is a batch of its own, and nothing is summed.
    """

    def __init__(self, method: Method, model: nn.Module) -> None:
        self._method, self._model = method, model
        self._apart = method.average_every is not None
        self._statistics = BatchStatistics(model, synchronised=method.sync_batchnorm)
        self._own_buffers = OwnBuffers(model)
        self._reduction = self._summing = Reduction(Alone(), shares=method.logical_workers)
        self._gradients = Gradients(model, slots=5)
        self.objective = Objective(method, model)

    @property
    def stand_in(self) -> bool:
        """Whether a share without rows runs a row that does not count."""
        return self._statistics.synchronised

    def join(self, reduction: Reduction) -> None:
        """Step with these from now on, from the state that the model has now."""
        self._reduction, self._summing = reduction, Reduction(Alone()) if self._apart else reduction
        self._gradients.join(self._summing)
        self._statistics.join(self._summing)
        self._own_buffers.note()

    def update_by(self, optimizer: Optimizer, owned: Sequence[Mapping[str, nn.Parameter]]) -> None:
        """Have this optimizer take the steps from now on: of those parameters that this rank owns, where ranks own some; join follows.

        Each rank then gets the gradients of its own parameters alone, unless the clip may be a function of all of them.
        """
        base = base_rate(self._method.schedule)
        self._ratios = [float(group["lr"]) / base for group in optimizer.param_groups]
        self._optimizer, self._weights, self._take_step = optimizer, Weights(owned), stepper(optimizer)
        self._gradients.lay(owned if type(self._method.clip) in (ClipNorm, ClipValue, type(None)) else ())

    def take(self, step: int, feed: Callable[[int], Batch], rate: float, records: Records, *, stop: bool) -> Sums:
        """Take a step, and return what all workers have counted of it; with averaging, what this one has."""
        self._gradients.clear()
        slots = self._gradients.slots
        slots[STOP], slots[SECONDS] = stop, 0.0 if self._reduction.collective.rank else records.elapsed
        rows = self._shares(step, feed, records)
        with records.counted("synchronisation_s"):
            self._gradients.finish()
        taken = self._learn(rows, rate, records) if self._finite() else self._skip(rows, step)
        return Sums(taken=taken, stop=bool(slots[STOP]), seconds=float(slots[SECONDS]))

    def _finite(self) -> bool:
        """Whether the step is, on all ranks alike."""
        good = finite(float(self._gradients.slots[LOSS]), self._gradients.flats)
        if not self._gradients.owned:
            return good
        bad = torch.tensor([0.0 if good else 1.0])
        self._summing.collective.sum(bad)()
        return not bad

    def _shares(self, step: int, feed: Callable[[int], Batch], records: Records) -> int:
        """Add up the gradients of this worker's shares, and return the step's rows."""
        held, self._losses = self._reduction.held, list[float]()
        if self._method.on_nan == "skip":
            self._before = [buffer.detach().clone() for buffer in self._model.buffers()]
        for at, share in enumerate(held):
            if at:
                self._gradients.next_share()
                self._statistics.next_share()
            with records.counted("data_s"):
                batch = feed(step * len(held) + at)
            if self._apart:
                batch = replace(batch, whole=batch.mine)
            seed_all(seed_of(self._method.seed, step=step, share=share))
            self._backward(batch, last=share == held[-1])
            self._statistics.put(share, batch.part)
            if self._method.logical_workers is not None:
                self._own_buffers.refuse_changed()
        return batch.whole

    def _backward(self, batch: Batch, *, last: bool) -> None:
        """Accumulate the gradient of a share, this worker's ``last`` or another, in as many passes as the largest share needs."""
        slots = self._gradients.slots
        self._losses.append(0.0)
        passes = self._method.passes(batch.whole, shares=self._summing.shares)
        pieces = batch.pieces(passes, stand_in=self.stand_in)
        for number, piece in enumerate(pieces, 1):
            self._statistics.begin(counts=piece.mine > 0)
            found = self.objective.training(piece)
            part = found.part(batch.whole)
            loss = part.item()
            self._losses[-1] += loss
            slots[LOSS] += loss
            slots[WEIGHT] += found.counted
            slots[PAIRS] += found.weight is not None
            # Moments are sent in backward: gradients between them would not be in one order on ranks that use other parameters.
            sent = last and number == len(pieces) and not self._statistics.synchronised
            self._gradients.expect(last=sent)
            part.backward()  # type: ignore[no-untyped-call]

    def _learn(self, rows: int, rate: float, records: Records) -> Since:
        """Take what the step has found into statistics and weights, and return what is counted of it."""
        with records.counted("synchronisation_s"):
            self._statistics.average()
        weight = self._weight(rows)
        if weight:
            self._update(rate)
            with records.counted("synchronisation_s"):
                self._weights.share(self._reduction.collective)
        return Since(loss=float(self._gradients.slots[LOSS]) * rows, weight=weight, rows=rows)

    def _skip(self, rows: int, step: int) -> Since:
        """Leave the state as it was before a step that is not finite, if it may be skipped, and return what is counted of it."""
        if self._gradients.owned:
            self._gradients.gather()
        rank, ranks = self._reduction.collective.rank, ranks_not_finite(self._losses, self._summing)
        told = [rank for _ in ranks] if self._apart else ranks
        skip_or_stop(self._method.on_nan, self._model, told, step=step, tell=self._apart or rank == 0)
        for buffer, before in zip(self._model.buffers(), self._before, strict=True):
            buffer.copy_(before)
        self._statistics.join(self._summing)
        self._own_buffers.note()
        return Since(rows=rows, skipped=1)

    def _weight(self, rows: int) -> float:
        """The weight of the step's loss, by which the gradients are now divided; of means, whose sum is one already, its rows.

        A step of no weight has nothing to learn from: it changes neither weights nor optimizer.
        """
        if not self._gradients.slots[PAIRS]:
            return rows
        if weight := float(self._gradients.slots[WEIGHT]):
            torch._foreach_mul_(self._gradients.flats, rows / weight)
        return weight

    def _update(self, rate: float) -> None:
        if self._method.penalty is not None:
            add_gradient(self._method.penalty, self._model)
        if self._method.clip is not None:
            self._clip(self._method.clip)
        for group, ratio in zip(self._optimizer.param_groups, self._ratios, strict=True):
            group["lr"] = rate * ratio
        self._take_step()

    def _clip(self, clip: Clip) -> None:
        """Clip the gradient; its norm is of what others own too."""
        own = self._gradients.own
        if not (self._gradients.owned and type(clip) is ClipNorm):
            clip([*own.values()])
            return
        everything = trainable(self._model)
        found = torch.zeros(
            len(everything), dtype=reduce(torch.promote_types, (one.dtype for one in everything.values()))
        )
        if own:
            found[[name in own for name in everything]] = norms([*own.values()])
        self._summing.collective.sum(found)()
        if own:
            clip.scale([*own.values()], found)
