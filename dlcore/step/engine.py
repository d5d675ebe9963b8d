"""Synchronous SGD on one worker: state' = group(state, data, steps). The same code runs alone and in a group.

Each worker computes the gradients of its shares of the global batch, weighted by their rows, so that the sum over shares is the
gradient of the mean over the global batch, whatever the number of shares and however uneven they are. A worker has one share, or
of a fixed number of ``logical_workers`` its part, one after the other; the sum has one order then, whoever has which.
Of a loss that is a sum and its weight, the weights are summed with the gradients, which are then divided by them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch

from dlcore.data.feed import Batch, Feed, fed, training_shares, validation_shares
from dlcore.data.order import Order
from dlcore.data.rows import Rows
from dlcore.metrics.metric import Metric
from dlcore.optim.eager import stepper
from dlcore.optim.penalties import add_gradient
from dlcore.optim.schedules import base_rate, in_steps
from dlcore.parallel.buffers import OwnBuffers
from dlcore.parallel.collective import Alone, Collective
from dlcore.parallel.gradients import Gradients
from dlcore.parallel.normalisation import BatchStatistics
from dlcore.parallel.parameters import Weights, keep_parameters, slice_names, split_parameters
from dlcore.parallel.reduction import reduction_of
from dlcore.step.finiteness import finite, skip_or_stop
from dlcore.step.method import Method
from dlcore.step.objective import Objective, validated
from dlcore.step.progress import Progress
from dlcore.step.randomness import own_randomness, seed_all, seed_of
from dlcore.step.records import Records
from dlcore.step.state import Figures, Slice, capture, restore
from dlcore.step.triggers import Moment, Pauses, Validation
from dlcore.step.tuning import evaluating, tune_model

LOSS, STOP, WEIGHT, PAIRS, SECONDS = range(5)
"""What travels with the gradients: the loss, how many ask for a stop, the weight, how many losses were no means, and rank 0's time."""


class Engine:
    """One rank's live model and optimizer: a cache of a committed state that steps move forward.

    ``loaders`` threads run the method's transform; without any, the training thread does. ``metrics`` are of the validation rows.
    ``due`` says whether the last group ended so that its state is committed.
    """

    def __init__(
        self,
        method: Method,
        rows: Rows,
        validation: Rows | None,
        *,
        metrics: Sequence[Metric] = (),
        pauses: Pauses | None = None,
        sharded: bool = False,
        loaders: int = 0,
    ) -> None:
        self.step, self._loaders, self._metrics, self._pauses = -1, loaders, metrics, pauses or Pauses()
        self._method, self._rows, self._validation = method, rows, validation
        self._whole = Order(rows=rows.count, batch=method.batch, seed=method.seed, window=rows.window)
        self._order = self._whole
        self._planned = in_steps(method.schedule, self._whole.steps)
        self.model = tune_model(method.build())
        self._statistics = BatchStatistics(self.model, synchronised=method.sync_batchnorm)
        self._own_buffers = OwnBuffers(self.model)
        self._reduction = reduction_of(Alone(), shares=method.logical_workers)
        self._gradients = Gradients(self.model, self._reduction, slots=5)
        self.objective = Objective(method, self.model)
        self._sharded = sharded
        self._feed = self._feed_of_rank()

    @property
    def done(self) -> bool:
        """Whether the run is at its end."""
        return self._method.ends(self._moment)

    @property
    def _moment(self) -> Moment:
        return self._records.moment(self._order.place(self.step))

    def join(self, collective: Collective) -> None:
        """Work with these from now on."""
        self._reduction.close()
        self._reduction = reduction_of(collective, shares=self._method.logical_workers)
        self._gradients.join(self._reduction)
        self._statistics.join(self._reduction)
        self._own_buffers.note()
        self._feed.close()
        self._feed = self._feed_of_rank()

    def _feed_of_rank(self) -> Feed:
        held, shares = self._reduction.held, self._reduction.shares
        mine = training_shares(self._order, held=held, shares=shares, stand_in=self._statistics.synchronised)
        count = self._order.end(self._method.epochs) * len(held)
        return Feed(self._rows, mine, count=count, transform=self._method.transform, loaders=self._loaders)

    def close(self) -> None:
        """Let the threads end."""
        self._feed.close()
        self._reduction.close()

    def load(
        self, figures: Figures, slices: Iterable[Slice], *, rank: int = 0, workers: int = 1, batch: int | None = None
    ) -> None:
        """Go on from a state as ``rank`` of so many workers, whatever this engine did before; ``batch`` is theirs in all."""
        owned = split_parameters(self.model, workers=workers)
        self._mine = slice_names(self.model, owned, rank)
        self._weights = Weights(owned if self._sharded else ())
        self._optimizer = self._method.optimize(self.model)
        if self._sharded:
            keep_parameters(self._optimizer, owned[rank].values())
        base = base_rate(self._method.schedule)
        self._ratios = [float(group["lr"]) / base for group in self._optimizer.param_groups]
        self._take_step = stepper(self._optimizer)
        restore(self.model, self._optimizer, slices)
        self.step, self._records = figures.step, Records(figures, self._planned)
        self._order = replace(self._whole, batch=batch or self._method.batch, start=figures.place)
        self.join(self._reduction.collective)

    @property
    def figures(self) -> Figures:
        return self._records.figures(self._order.place(self.step))

    def slice(self) -> Slice:
        """A copy of this worker's part of the state."""
        return capture(self.model, self._optimizer, self._mine, groups=self._reduction.collective.rank == 0)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Count the body's time as that of a commit."""
        before = time.perf_counter()
        yield
        self._records.pause.held_s += time.perf_counter() - before

    @property
    def paused_s(self) -> float:
        """How long the last pause between two groups was; zero if this group is the first since a state was loaded."""
        return self._records.pause.seconds

    def run(self, stop: Callable[[], bool], report: Callable[[int, Progress], None]) -> None:
        """Take steps to the run's end; end early, all workers after the same step, when ``stop`` says so on any of them."""
        records = self._records
        records.pause.end(records.since)
        ended = self.due = False
        with own_randomness():
            while not ended and not self.done:
                before = time.perf_counter()
                ended = self._iterate(stop())
                records.since.seconds += time.perf_counter() - before
                self._report(report)
                records.elapsed += time.perf_counter() - before
                self.due = self._pauses.commit is not None and self._pauses.commit(self._moment)
                ended = ended or self.due
        records.pause.begin()

    def _iterate(self, stop: bool) -> bool:
        rate = self._rate(self.step)
        self._gradients.clear()
        self._gradients.slots[STOP] = float(stop)
        self._gradients.slots[SECONDS] = 0.0 if self._reduction.collective.rank else self._records.elapsed
        rows = self._shares()
        with self._records.counted("synchronisation_s"):
            self._gradients.finish()
        if finite(self._gradients.slots[LOSS], self._gradients.flats):
            self._learn(rows, rate)
        else:
            self._skip()
        self._records.since.rows += rows
        self.step += 1
        self._records.seconds = float(self._gradients.slots[SECONDS])
        return float(self._gradients.slots[STOP]) > 0

    def _shares(self) -> int:
        """Add up the gradients of this worker's shares, and return the step's rows."""
        held, self._losses = self._reduction.held, list[torch.Tensor]()
        if self._method.on_nan == "skip":
            self._before = [buffer.detach().clone() for buffer in self.model.buffers()]
        for at, share in enumerate(held):
            if at:
                self._gradients.next_share()
                self._statistics.next_share()
            with self._records.counted("data_s"):
                batch = self._feed(self.step * len(held) + at)
            seed_all(seed_of(self._method.seed, step=self.step, share=share))
            self._backward(batch, last=share == held[-1])
            self._statistics.put(share, batch.mine / batch.whole)
            if self._method.logical_workers is not None:
                self._own_buffers.refuse_changed()
        return batch.whole

    def _learn(self, rows: int, rate: float) -> None:
        """Take what the step has found into statistics, weights and the record."""
        with self._records.counted("synchronisation_s"):
            self._statistics.average()
        weight = self._weight(rows)
        if weight:
            self._update(rate)
        self._records.since.loss += float(self._gradients.slots[LOSS]) * rows
        self._records.since.weight += weight

    def _skip(self) -> None:
        """Leave the state as it was before a step that is not finite, if it may be skipped."""
        skip_or_stop(self._method.on_nan, self.model, self._losses, self._reduction, step=self.step)
        for buffer, before in zip(self.model.buffers(), self._before, strict=True):
            buffer.copy_(before)
        self._statistics.join(self._reduction)
        self._own_buffers.note()
        self._records.since.skipped += 1

    def _backward(self, batch: Batch, *, last: bool) -> None:
        """Accumulate the gradient of a share, this worker's ``last`` or another, in as many passes as the largest share needs."""
        slots, loss = self._gradients.slots, torch.zeros(())
        self._losses.append(loss)
        passes = self._method.passes(batch.whole, shares=self._reduction.shares)
        pieces = batch.pieces(passes, stand_in=self._statistics.synchronised)
        for number, piece in enumerate(pieces, 1):
            self._statistics.begin(counts=piece.mine > 0)
            found = self.objective.training(piece)
            part = found.part(batch.whole)
            slots[LOSS] += part.detach()
            loss += part.detach()
            slots[WEIGHT] += found.counted
            slots[PAIRS] += found.weight is not None
            self._gradients.expect(last=last and number == len(pieces))
            part.backward()  # type: ignore[no-untyped-call]

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
            add_gradient(self._method.penalty, self.model)
        if self._method.clip is not None:
            self._method.clip(self._gradients.flats)
        for group, ratio in zip(self._optimizer.param_groups, self._ratios, strict=True):
            group["lr"] = rate * ratio
        self._take_step()
        with self._records.counted("synchronisation_s"):
            self._weights.share(self._reduction.collective)

    def _rate(self, step: int) -> float:
        """The schedule's rate at the place the run has come to, scaled linearly if the batch is not the method's."""
        return self._records.schedule(self._whole.step_at(self._order.place(step))) * (
            self._order.batch / self._method.batch
        )

    def _report(self, report: Callable[[int, Progress], None]) -> None:
        rate = self._rate(self.step - 1)  # before a validation, which may change the schedule
        found = self._validated()
        if found is None and not self.done and not self._pauses.record(self._moment):
            return
        epoch = self._order.place(self.step - 1).epoch + 1
        report(*self._records.record(step=self.step, epoch=epoch, rate=rate, found=found))

    def _validated(self) -> Validation | None:
        """What is found of the validation rows, if this is when they are judged."""
        if self._validation is None or not self._method.validate(self._moment):
            return None
        loss, metrics = self._judge(self._validation)
        found = Validation(step=self.step, loss=loss, metrics=metrics)
        self._records.judged(found)
        return found

    def _judge(self, validation: Rows) -> tuple[float, dict[str, float]]:
        """Loss and metrics of the validation rows, each share's in batches of no more rows than a pass of training has."""
        held, shares = self._reduction.held, self._reduction.shares
        size = min(self._method.micro_batch or self._order.batch, -(-self._order.batch // shares))
        pieces = {at: validation_shares(validation.count, batch=size, share=at, shares=shares) for at in held}
        make = partial(fed, validation, transform=self._method.transform, loaders=self._loaders)
        with evaluating(self.model):
            mine = {share: make(its) for share, its in pieces.items()}
            return validated(self.objective, mine, self._metrics, self._reduction)
