"""What a step is given by the earlier steps of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.tables.hive import Partition
from pipelines.dated.labels import Labels, PinnedLabels
from pipelines.dated.pinning import Pinned
from pipelines.runner.run import Run

if TYPE_CHECKING:
    from pipelines.binary.frames.split import Frames


def engineered(run: Run) -> Partition | None:
    """The features of this date that the run made or pinned; None: it did neither."""
    if run.did("engineer", run.ds):
        return run.outcome("engineer", run.ds).partitions[0]
    pinned = run.result("pin", Pinned).rows.partitions if run.did("pin") else ()
    return next((partition for partition in pinned if partition.ds == run.ds), None)


def labels(run: Run, labels: Labels | None) -> PinnedLabels | None:
    """The labels that the run pinned; None: the rows hold their own."""
    if labels is None:
        return None
    pin = run.result("pin", Pinned).labels
    if pin is None:
        raise LookupError(f"this run pinned no labels of {labels.table}; run the step pin again")
    return PinnedLabels(labels=labels, pin=pin)


def frames(run: Run) -> Frames:
    """What the split of this run left."""
    from pipelines.binary.frames.split import Frames

    return run.result("split", Frames)
