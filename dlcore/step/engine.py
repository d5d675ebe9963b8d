"""SGD on one worker, synchronous or averaged: state' = group(state, data, steps). The same code runs alone and in a group.

Each worker computes the gradients of its shares of the global batch, weighted by their rows, so that the sum over shares is the
gradient of the mean over the global batch, whatever the number of shares and however uneven they are. A worker has one share, or
of a fixed number of ``logical_workers`` its part, one after the other; the sum has one order then, whoever has which.
Of a loss that is a sum and its weight, the weights are summed with the gradients, which are then divided by them.
With ``average_every`` workers step by themselves, and are ``together``, with one state, after some steps alone. What needs all of them
waits for the next such step: records and commits.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from dlcore.data.feed import Feed, fed, training_shares, validation_shares
from dlcore.data.order import Order, Place, forget
from dlcore.data.rows import Rows
from dlcore.metrics.metric import Metric
from dlcore.optim.schedules import in_steps
from dlcore.parallel.collective import Alone, Collective
from dlcore.parallel.parameters import keep_parameters, slice_names, split_parameters
from dlcore.parallel.reduction import Reduction
from dlcore.step.averaging import Averaging
from dlcore.step.iteration import Iteration
from dlcore.step.method import Method
from dlcore.step.objective import validated
from dlcore.step.progress import Progress, Records
from dlcore.step.randomness import own_randomness
from dlcore.step.state import Figures, Slice, capture, restore
from dlcore.step.triggers import Moment, Pauses, Validation
from dlcore.step.tuning import evaluating, tune_model


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
        self._reduction = Reduction(Alone(), shares=method.logical_workers)
        self._iteration = Iteration(method, self.model)
        self.objective = self._iteration.objective
        self._averaging: Averaging | None = None
        self._sharded = sharded
        self._feed = self._feed_of_rank()

    @property
    def done(self) -> bool:
        """Whether the run is at its end."""
        return self._method.ends(self._moment)

    @property
    def _moment(self) -> Moment:
        return self._records.moment(self._place)

    def join(self, collective: Collective) -> None:
        """Work with these from now on."""
        self._reduction.close()
        self._reduction = Reduction(collective, shares=self._method.logical_workers)
        self._iteration.join(self._reduction)
        self._feed.close()
        self._feed = self._feed_of_rank()

    def _feed_of_rank(self) -> Feed:
        held, shares = self._reduction.held, self._reduction.shares
        mine = training_shares(self._order, held=held, shares=shares, stand_in=self._iteration.stand_in)
        count = self._order.end(self._method.epochs) * len(held)
        return Feed(self._rows, mine, count=count, transform=self._method.transform, loaders=self._loaders)

    def close(self) -> None:
        """Let the threads end, and go of the order of rows."""
        self._feed.close()
        self._reduction.close()
        forget()

    def load(
        self, figures: Figures, slices: Iterable[Slice], *, rank: int = 0, workers: int = 1, batch: int | None = None
    ) -> None:
        """Go on from a state as ``rank`` of so many workers, whom it is then to join; ``batch`` is theirs in all."""
        owned = split_parameters(self.model, workers=workers)
        self._mine = slice_names(self.model, owned, rank)
        self._optimizer = self._method.optimize(self.model)
        if self._sharded:
            keep_parameters(self._optimizer, owned[rank].values())
        self._iteration.update_by(self._optimizer, owned if self._sharded and workers > 1 else ())
        restore(self.model, self._optimizer, slices)
        if self._method.average_every is not None:
            self._averaging = Averaging(self.model, self._optimizer)
        self._together, self._recording = True, False
        self.step, self._records = figures.step, Records(figures, self._planned)
        self._order = replace(self._whole, batch=batch or self._method.batch, start=figures.place)
        self._place = figures.place
        self.join(Alone())

    @property
    def figures(self) -> Figures:
        return self._records.figures(self._place)

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
                self.due = self.due or (self._pauses.commit is not None and self._pauses.commit(self._moment))
                ended = ended or (self.due and self._together)
        records.pause.begin()

    def _iterate(self, stop: bool) -> bool:
        """Take a step; whether all workers end with it, since one of them asks for a stop."""
        self._rate = self._rate_at(self._place)
        sums = self._iteration.take(self.step, self._feed, self._rate, self._records, stop=stop)
        self.step += 1
        self._epoch, self._place = self._place.epoch + 1, self._order.place(self.step)
        if self._averaging is not None:
            self._averaging.step(sums)
            self._together = self._meets
            if not self._together:
                return False
            with self._records.counted("synchronisation_s"):
                sums = self._averaging.average(self._reduction.collective)
        self._records.add(sums)
        return sums.stop

    @property
    def _meets(self) -> bool:
        """Whether workers that step by themselves are averaged now: after so many steps, and where all need one state."""
        moment, every = self._moment, self._method.average_every or 1
        return self.step % every == 0 or moment.place.row == 0 or self._method.validate(moment) or self.done

    def _rate_at(self, place: Place) -> float:
        """The schedule's rate, scaled linearly if the batch is not the method's."""
        return self._records.schedule(self._whole.step_at(place)) * (self._order.batch / self._method.batch)

    def _report(self, report: Callable[[int, Progress], None]) -> None:
        found = self._validated()
        asked = found is not None or self.done or self._pauses.record(self._moment)
        self._recording = self._recording or asked
        if not (self._recording and self._together):
            return
        self._recording = False
        report(*self._records.record(step=self.step, epoch=self._epoch, rate=self._rate, found=found))

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
