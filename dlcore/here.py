"""The one-process implementation: a table in memory, and groups that run in this process with the same engine."""

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from dlcore.commits import Commits, Saved
from dlcore.driver import Records
from dlcore.engine import Engine
from dlcore.layout import Array, Layout, refuse_unusable

if TYPE_CHECKING:  # a second of import, and needed by nobody who brings no pandas DataFrame
    import pandas as pd

    Tabular: TypeAlias = pa.Table | pd.DataFrame


def arrays_of(data: "Tabular", *, features: list[str], label: str) -> tuple[Layout, dict[str, Array]]:
    """The tensors of a table in memory, under the rules that hold for shards."""
    table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
    layout = Layout.of(table.schema, features=features, label=label)
    if not table.num_rows:
        raise ValueError("the data to train on has no rows")
    refuse_unusable(layout.unusable(table))
    return layout, layout.arrays(table)


def fingerprint(layout: Layout, arrays: dict[str, Array]) -> str:
    """A name of the rows in their order."""
    digest = hashlib.blake2b(str(layout).encode(), digest_size=8)
    for array in arrays.values():
        digest.update(array.data if array.flags.c_contiguous else array.tobytes())
    return digest.hexdigest()


@dataclass
class GroupsHere:
    """Runs groups in this process."""

    engine: Engine
    commits: Commits
    records: Records
    longest_s: float

    def __call__(self, start: Saved) -> Saved:
        if self.engine.step != start.step:
            self.engine.load(self.commits.load(start))
        deadline = time.monotonic() + self.longest_s
        self.engine.run(self.engine.steps, lambda: self.records.stop or time.monotonic() > deadline, self.records.add)
        return self.commits.save(self.engine.state(), group="here")
