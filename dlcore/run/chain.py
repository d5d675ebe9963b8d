"""The driver's loop: groups from commit to commit, until the last epoch or a stop."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from dlcore.run.commits import Commit, Commits, Saved
from dlcore.step.progress import Progress

log = logging.getLogger("dlcore")

OnProgress = Callable[[Progress], object]


@dataclass
class History:
    """The records of a run in order, each told once: to the log and to ``on_progress``, whose True asks for a stop."""

    on_progress: OnProgress | None
    told: list[Progress] = field(default_factory=list)
    stop: bool = False

    def add(self, number: int, progress: Progress) -> None:
        """Take record ``number``; one that is known already (a group that ran again) changes nothing."""
        if number != len(self.told):
            return
        self.told.append(progress)
        log.info("%s", progress)
        if self.on_progress is not None and self.on_progress(progress) is True:
            self.stop = True


class Chain:
    """The run's commits, one after the other, of which the ``newest`` are there; ``commit`` is the last."""

    def __init__(self, commits: Commits, newest: list[Commit], history: History) -> None:
        self.commits, self.newest, self.history = commits, newest, history

    @property
    def commit(self) -> Commit:
        return self.newest[-1]

    def extend(self, saved: Saved) -> None:
        """Seal a saved state that is newer than the newest commit, with the records up to it, and drop what need not stay."""
        if saved.step > self.commit.step:
            history = tuple(self.history.told[: saved.figures.records])
            commit = self.commits.seal(saved, after=self.commit, settings=self.commit.settings, history=history)
            self.newest = self.commits.drop([*self.newest, commit], keep=max(self.commits.keep, 2))
            log.debug("committed step %d", saved.step)

    def end(self) -> None:
        """Drop what no group needs any more."""
        self.newest = self.commits.drop(self.newest, keep=self.commits.keep)

    def refuse_lost(self) -> None:
        """Raise LostRun where another driver has taken the run over."""
        self.commits.journal.refuse_lost(self.commits.next(self.commit))


def advance(chain: Chain, *, epochs: int, group: Callable[[Saved], Saved]) -> Chain:
    """Run groups until ``epochs`` epochs are done or a stop is asked for; LostRun where the run is another driver's by then."""
    while chain.commit.epochs < epochs and not chain.history.stop:
        try:
            chain.extend(group(chain.commit.saved))
        except Exception:
            chain.refuse_lost()  # whose driver may have removed what this one's workers read
            raise
    return chain
