"""A training on Spark's executors: rows as pieces that all can read, and groups as jobs that the driver listens to."""

import logging
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark import cloudpickle
from pyspark.sql import SparkSession

from dlcore.data.copying import copy_pieces
from dlcore.data.sources import is_dataset, is_frame
from dlcore.run.chain import Chain
from dlcore.run.plan import Plan
from dlcore.spark.assignment import Assignment, Stored
from dlcore.spark.group import SparkGroups, open_control_server
from dlcore.spark.interpreters import refuse_other_python
from dlcore.spark.listener import HeardGroups, Listener
from dlcore.spark.writing import schema_of, write_pieces
from dlcore.step.progress import Progress
from dlcore.storage.folder import Folder, Place
from dlcore.storage.patience import LONGEST_S

if TYPE_CHECKING:
    from dlcore.data.sources import Data, Laid


log = logging.getLogger("dlcore")

BRIEF_S = 10.0
"""Steps that take less are hardly worth the start of Spark jobs."""
SHIPPED = (
    *("model", "loss", "step", "optimizer", "schedule", "clip", "penalty", "transform", "metrics"),
    *("validate", "end", "record", "commit"),
)
"""What of a plan goes to workers and may not pickle."""


def refuse_unfit(plan: Plan, session: SparkSession, folder: Place | None) -> None:
    """Say before anything is written what workers would fail at."""
    refuse_no_folder(str(session.sparkContext.master), folder)
    for name in SHIPPED:
        _refuse_unshippable(name, getattr(plan, name))
    refuse_other_python(session, limit_s=silence_s(plan))


def silence_s(plan: Plan) -> float:
    """How long Python may be silent before the first group: as long as a worker may, and storage is tried."""
    return plan.patience_s + LONGEST_S


def refuse_no_folder(master: str, folder: Place | None) -> None:
    if folder is None and not master.startswith("local"):
        raise ValueError(
            f"fit needs a folder that the driver and all workers reach, got folder=None on master {master}; give one on a disk that "
            "they share, or a URI such as hdfs:///models/fraud"
        )


def _refuse_unshippable(name: str, part: object) -> None:
    try:
        cloudpickle.dumps(part)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise TypeError(
            f"Training.{name} cannot be sent to the workers, since it holds something that does not pickle "
            f"({type(error).__name__}: {error}); make what it needs inside the function, or pass plain values"
        ) from error


def stored(data: "Data", folder: Folder, laid: "Laid", *, plan: Plan) -> Stored:
    """Data as pieces below ``folder``."""
    if is_frame(data):
        pieces = write_pieces(data, folder, laid(schema_of(data)), silence_s=silence_s(plan))
    elif is_dataset(data):
        pieces = copy_pieces(data, folder, laid(data.schema))
    else:
        raise ValueError(f"training on Spark takes DataFrames and pyarrow datasets, got {type(data).__name__}")
    return Stored(folder=folder, pieces=pieces, resident_bytes=plan.resident_bytes)


def advise(history: Sequence[Progress], seconds: float) -> None:
    """Say of a training of ``seconds`` whose steps are few that it need not wait for Spark."""
    steps = sum(record.seconds for record in history)
    if steps < BRIEF_S and steps < seconds / 2:
        log.info(
            "steps took %.1f of %.1f s: a training as short as this is over sooner in one process, by workers=1 and a table in memory "
            "(frame.toArrow()) or a pyarrow dataset",
            *(steps, seconds),
        )


def groups(
    plan: Plan,
    session: SparkSession,
    train: Stored,
    validation: Stored | None,
    chain: Chain,
    workers: int,
) -> HeardGroups:
    """The groups of a run, over a control of its own."""
    control = open_control_server(session.sparkContext.getConf())
    assignment = Assignment(
        run=uuid.uuid4().hex[:12],
        method=plan,
        train=train,
        validation=validation,
        commits=chain.commits,
        start=chain.commit.saved,
        ahead=chain.commit.step,
        host=control.host,
        port=control.port,
        key=control.key,
        workers=workers,
        batch=plan.batch,
        sharded=plan.shard_optimizer,
        loaders=plan.loading,
        longest_s=plan.group_s,
        patience_s=plan.patience_s,
    )
    running = SparkGroups(
        session=session,
        control=control,
        assignment=assignment,
        retries=plan.retries,
        least_workers=plan.least_workers or (workers if plan.logical_workers is None else 1),
        slots_wait_s=plan.slots_wait_s,
    )
    return HeardGroups(running, Listener(control, assignment.run, chain))
