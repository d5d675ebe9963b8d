"""The one-process implementation: groups that run in this process with the same engine."""

import time
from dataclasses import dataclass

from dlcore.run.chain import Chain
from dlcore.run.commits import Saved
from dlcore.step.engine import Engine


@dataclass
class GroupsHere:
    """Runs groups in this process."""

    engine: Engine
    chain: Chain
    longest_s: float

    def __call__(self, start: Saved) -> Saved:
        if self.engine.step != start.step:
            self.engine.load(start.figures, self.chain.commits.load(start))
        deadline = time.monotonic() + self.longest_s
        history = self.chain.history
        self.engine.run(lambda: history.stop or time.monotonic() > deadline, history.add)
        with self.engine.committing():
            figures = self.engine.figures
            written = self.chain.commits.write(self.engine.slice(), step=figures.step, name="here")
            return Saved(figures=figures, slices=(written,))
