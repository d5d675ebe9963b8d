"""The driver's loop: groups from commit to commit, until the run's end or a stop."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from dlcore.run.commits import Commit, Commits, Saved
from dlcore.run.describe import differences
from dlcore.run.stopping import StopRequests
from dlcore.step.method import Method
from dlcore.step.progress import Progress
from dlcore.tracking.callbacks import Callback, Run

log = logging.getLogger("dlcore")


@dataclass
class History:
    """The records of a run in order, each told once: to the log and to the callbacks, of which one may have ``stopped`` the run."""

    callbacks: Sequence[Callback]
    requests: StopRequests
    told: list[Progress] = field(default_factory=list)
    stopped: bool = False

    @property
    def stop(self) -> bool:
        """Whether a stop is asked for."""
        return self.stopped or self.requests.asked

    def add(self, number: int, progress: Progress) -> None:
        """Take record ``number``; one that is known already (a group that ran again) changes nothing."""
        if number != len(self.told):
            return
        self.told.append(progress)
        log.info("%s", progress)
        for callback in self.callbacks:
            self.stopped |= callback.record(progress) is True

    @contextmanager
    def telling(self, run: Run) -> Iterator[None]:
        """Tell of the run's beginning and end, and heed signals meanwhile."""
        log.info("%s", run)
        with self.requests.heeding_signals():
            for callback in self.callbacks:
                callback.begin(run)
            try:
                yield
            finally:
                for callback in self.callbacks:
                    callback.end()


class Chain:
    """The run's commits, one after the other, of which those ``kept`` are there: the newest, and the best; ``commit`` is the last."""

    def __init__(self, commits: Commits, kept: list[Commit], history: History, method: Method) -> None:
        self.commits, self.kept, self.history, self._method = commits, kept, history, method

    @property
    def commit(self) -> Commit:
        return self.kept[-1]

    @property
    def over(self) -> bool:
        """Whether the run has come to its end, or a stop is asked for."""
        return self._method.ends(self.commit.saved.figures.moment) or self.history.stop

    def extend(self, saved: Saved) -> None:
        """Seal a saved state that is newer than the newest commit, with the records up to it, and drop what need not stay."""
        if saved.step > self.commit.step:
            history = tuple(self.history.told[: saved.figures.records])
            commit = self.commits.seal(saved, after=self.commit, settings=self.commit.settings, history=history)
            self.kept = [*self.kept, commit]
            self._drop(keep=max(self.commits.keep, 2))
            log.debug("committed step %d", saved.step)
            for callback in self.history.callbacks:
                callback.commit(saved.figures.moment, lambda: self._weights(saved))

    def _drop(self, *, keep: int) -> None:
        """Keep the newest commits, and of each of them the best up to it: whichever is gone on from, its best is there."""
        best = {found.number for commit in self.kept[-keep:] if (found := self._best(commit))}
        self.kept = self.commits.drop(self.kept, keep=keep, best=best)

    def _best(self, upto: Commit) -> Commit | None:
        """The commit of the best validation up to a commit, of those that there are; None where the best is not kept."""
        there = {commit.step: commit for commit in self.kept}
        step = self._method.best([each for each in upto.saved.figures.validations if each.step in there])
        return None if step is None else there[step]

    def _weights(self, saved: Saved) -> dict[str, Tensor]:
        """The model's weights of a saved state, by their names."""
        named = [pair for each in self.commits.load(saved) for pair in each.tensors.items()]
        return {name.removeprefix("model."): tensor for name, tensor in named if name.startswith("model.")}

    def end(self) -> Saved:
        """Drop what no group needs any more, and return the state that the run has led to: its best where that stays, else its last."""
        self._drop(keep=self.commits.keep)
        found, best = self._best(self.commit) or self.commit, self._method.best(self.commit.saved.figures.validations)
        if best not in (None, found.step):
            log.warning(
                "the weights of the best validation, of step %d, are lost; these are of step %d", best, found.step
            )
        return found.saved

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Raise LostRun where the body fails since another driver has taken the run over, which may have removed what is read."""
        try:
            yield
        except Exception:
            self.commits.journal.refuse_lost(self.commits.next(self.commit))
            raise


def refuse_other(newest: Commit, now: Mapping[str, str], *, epochs: int, where: str) -> None:
    """A ValueError where a folder's newest commit is not one that a training of these settings goes on from."""
    if different := differences(newest.settings, now):
        raise ValueError(
            f"{where} holds a run of another training: {'; '.join(different)}. Train into another folder, or delete that one"
        )
    if newest.epochs > epochs:
        raise ValueError(
            f"{where} holds a run of {newest.epochs} epochs; Training.epochs must be no less, got {epochs}"
        )


def advance(chain: Chain, run: Run, group: Callable[[Saved], Saved]) -> Chain:
    """Run groups until the run's end or a stop; LostRun where the run is another driver's by then."""
    with chain.history.telling(run):
        while not chain.over:
            with chain.owned():
                saved = group(chain.commit.saved)
            chain.extend(saved)
    return chain
