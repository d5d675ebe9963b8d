"""What a step on pictures is given by the earlier steps of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.tables.hive import Partition
from pipelines.dated.pinning import Pinned
from pipelines.runner.run import Run

if TYPE_CHECKING:
    from pipelines.pictures.detection.frames import Frames


def catalogue(run: Run) -> Partition:
    """The catalogue of this date, which the run made or pinned."""
    if run.did("load", run.ds):
        return run.outcome("load", run.ds).partitions[0]
    pinned = run.result("pin", Pinned).rows.partitions
    return next(partition for partition in pinned if partition.ds == run.ds)


def frames(run: Run) -> Frames:
    """The prepared pictures of all dates of a training."""
    from pipelines.pictures.detection.frames import Frames
    from pipelines.pictures.prepare import Prepared

    return Frames(
        prepared=tuple(run.result("prepare", Prepared, ds) for ds in run.dates),
        partitions=run.result("pin", Pinned).rows.partitions,
    )


def first(run: Run, step: str) -> Partition | None:
    """What a step of this date wrote first; None where it did nothing."""
    return next(iter(run.outcome(step, run.ds).partitions), None)
