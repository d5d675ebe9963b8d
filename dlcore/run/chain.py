"""The driver's loop: groups from commit to commit, until the run's end or a stop."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from dlcore.run.callbacks import Callback, Run
from dlcore.run.commits import Commit, Commits, Saved
from dlcore.run.stopping import StopRequests
from dlcore.step.method import Method
from dlcore.step.progress import Progress

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
    """The run's commits, one after the other; ``commit`` is the newest."""

    def __init__(self, commits: Commits, commit: Commit, history: History, method: Method) -> None:
        self.commits, self.commit, self.history, self._method = commits, commit, history, method

    @property
    def over(self) -> bool:
        """Whether the run has come to its end, or a stop is asked for."""
        return self._method.ends(self.commit.saved.figures.moment) or self.history.stop

    def extend(self, saved: Saved) -> None:
        """Seal a saved state that is newer than the newest commit, with the records up to it."""
        if saved.step > self.commit.step:
            history = tuple(self.history.told[: saved.figures.records])
            self.commit = self.commits.seal(
                saved, settings=self.commit.settings, history=history, best=self.best(saved)
            )
            log.debug("committed step %d", saved.step)
            for callback in self.history.callbacks:
                callback.commit(saved.figures.moment, lambda: self.weights(saved))

    def weights(self, saved: Saved) -> dict[str, Tensor]:
        """The model's weights of a saved state, by their names."""
        slices = self.commits.load(saved)
        named = [(name, tensor) for each in slices for name, tensor in each.tensors.items()]
        return {name.removeprefix("model."): tensor for name, tensor in named if name.startswith("model.")}

    def best(self, saved: Saved) -> int | None:
        """The step whose weights stay as the best up to ``saved``."""
        keep = self._method.keep_best
        return None if keep is None else keep.best(saved.figures.validations)

    def end(self) -> Saved:
        """Drop what is not needed any more, and return the state that the run has led to: its best where that is kept, else its last."""
        best = self.best(self.commit.saved)
        self.commits.end(self.commit.step, best=best)
        return self.commit.saved if best is None else self.commits.at(best).saved


def advance(chain: Chain, run: Run, group: Callable[[Saved], Saved]) -> Chain:
    """Run groups until the run's end or a stop."""
    with chain.history.telling(run):
        while not chain.over:
            chain.extend(group(chain.commit.saved))
    return chain
