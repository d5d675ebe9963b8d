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
    """The run's commits, one after the other; ``commit`` is the newest."""

    def __init__(self, commits: Commits, commit: Commit, history: History) -> None:
        self.commits, self.commit, self.history = commits, commit, history

    def extend(self, saved: Saved) -> None:
        """Seal a saved state that is newer than the newest commit, with the records up to it."""
        if saved.step > self.commit.step:
            history = tuple(self.history.told[: saved.figures.records])
            self.commit = self.commits.seal(saved, settings=self.commit.settings, history=history)
            log.debug("committed step %d", saved.step)


def advance(chain: Chain, *, epochs: int, group: Callable[[Saved], Saved]) -> Chain:
    """Run groups until ``epochs`` epochs are done or a stop is asked for."""
    while chain.commit.epochs < epochs and not chain.history.stop:
        chain.extend(group(chain.commit.saved))
    return chain
