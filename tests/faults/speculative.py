"""A training on hosts between which Spark copies late tasks: ``speculative.py MASTER FOLDER``. Its event log is in ``FOLDER.events``.

The second of two tasks is late: the first attempt at it with its piece of the data, and each attempt with the end of its group.
"""

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from pyarrow import NativeFile
from pyarrow.fs import FSSpecHandler, PyFileSystem
from pyspark import TaskContext

from dlcore.storage.folder import Folder
from tests.faults.program import Slow, session, trained

SETTINGS = (
    *("spark.dynamicAllocation.enabled=true", "spark.dynamicAllocation.minExecutors=2", "spark.executor.cores=1"),
    *("spark.speculation=true", "spark.speculation.quantile=0.5", "spark.speculation.multiplier=1.01"),
    *("spark.speculation.efficiency.enabled=false", "spark.eventLog.enabled=true"),
    *("spark.eventLog.rolling.enabled=false", "spark.eventLog.compress=false"),
)


class Lingering(Slow):
    """Takes its time when the state is asked for, as it is at the end of a group."""

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        if second() is not None:
            time.sleep(1)
        return super().state_dict(*arguments, **named)


class Store(FSSpecHandler):  # type: ignore[misc]
    """A store that takes half a second for a slice of a state, so that this is written after a group that does not wait for it."""

    def open_output_stream(self, path: str, metadata: Any) -> NativeFile:
        if "/slice-" in path:
            time.sleep(0.5)
        if "/part-" in path and second() == 0:
            time.sleep(3)
        return super().open_output_stream(path, metadata)


def second() -> int | None:
    """Which attempt at the second task this process runs; None where it runs none."""
    context = TaskContext.get()
    return context.attemptNumber() if context is not None and context.partitionId() == 1 else None


def main(master: str, folder: str) -> None:
    events = Path(f"{folder}.events")
    events.mkdir()
    imported = f"spark.executorEnv.PYTHONPATH={Path(__file__).parents[2]}"
    spark = session(master, *SETTINGS, imported, f"spark.eventLog.dir={events.as_uri()}")
    spark.sparkContext.setLogLevel("OFF")
    store = Folder(folder, PyFileSystem(Store(LocalFileSystem())), single_writer=True)
    print("weights", trained(spark, partial(Lingering, f"{folder}.computed"), store), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
