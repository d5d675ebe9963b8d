"""The one-process implementation: a table in memory, and groups that run in this process with the same engine."""

import time
from dataclasses import dataclass

import pyarrow as pa

from dlcore.data.copying import Fingerprint
from dlcore.data.layout import Layout, refuse_unusable
from dlcore.data.rows import Resident, Rows
from dlcore.run.chain import Chain
from dlcore.run.commits import Saved
from dlcore.step.engine import Engine


def held(table: pa.Table, layout: Layout) -> tuple[Rows, str]:
    """The rows of a table in memory, under the rules that hold for pieces, and a name of them in their order."""
    if not table.num_rows:
        raise ValueError("the data to train on has no rows")
    refuse_unusable(layout.unusable(table))
    cells, name = layout.cells(table), Fingerprint(layout)
    name.update(cells)
    return Resident(layout, cells), str(name)


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
