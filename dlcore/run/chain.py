"""The driver's loop: groups from commit to commit, until the run's end or a stop."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from dlcore.run.commits import Commit, Commits, Saved
from dlcore.step.method import Method
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
    """The run's commits, one after the other; ``commit`` is the newest."""

    def __init__(self, commits: Commits, commit: Commit, history: History, method: Method) -> None:
        self.commits, self.commit, self.history, self._method = commits, commit, history, method

    @property
    def over(self) -> bool:
        """Whether the run has come to its end, or a stop is asked for."""
        return self.history.stop or self._method.ends(self.commit.saved.figures.moment)

    def best(self, saved: Saved) -> int | None:
        """The step whose weights stay as the best up to ``saved``."""
        keep = self._method.keep_best
        return None if keep is None else keep.best(saved.figures.validations)

    def end(self) -> Saved:
        """Drop what is not needed any more, and return the state that the run has led to: its best where that is kept, else its last."""
        best = self.best(self.commit.saved)
        self.commits.end(self.commit.step, best=best)
        return self.commit.saved if best is None else self.commits.at(best).saved

    def extend(self, saved: Saved) -> None:
        """Seal a saved state that is newer than the newest commit, with the records up to it."""
        if saved.step > self.commit.step:
            history = tuple(self.history.told[: saved.figures.records])
            self.commit = self.commits.seal(
                saved, settings=self.commit.settings, history=history, best=self.best(saved)
            )
            log.debug("committed step %d", saved.step)


def advance(chain: Chain, group: Callable[[Saved], Saved]) -> Chain:
    """Run groups until the run's end or a stop."""
    while not chain.over:
        chain.extend(group(chain.commit.saved))
    return chain
