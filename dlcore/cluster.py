"""A training on Spark's executors: rows as shards that all can read, and groups as barrier jobs that the driver listens to."""

import uuid
from typing import TYPE_CHECKING

from pyspark import cloudpickle
from pyspark.sql import SparkSession

from dlcore.assignment import Assignment, Sharded
from dlcore.copying import copy_shards
from dlcore.driver import Chain
from dlcore.files import Folder
from dlcore.frames import is_dataset, is_frame
from dlcore.group import BarrierGroups, open_switchboard, refuse_dynamic_allocation
from dlcore.listener import HeardGroups, Listener
from dlcore.sharding import schema_of, write_shards

if TYPE_CHECKING:
    from dlcore.training import Data, Laid, Training


def refuse_unfit(training: "Training", session: SparkSession, folder: str | Folder | None) -> None:
    """Say before anything is written what workers would fail at."""
    refuse_no_folder(str(session.sparkContext.master), folder)
    refuse_dynamic_allocation(session.sparkContext.getConf())
    for name in ("model", "loss", "optimizer", "schedule", "clip", "transform"):
        _refuse_unshippable(name, getattr(training, name))


def refuse_no_folder(master: str, folder: str | Folder | None) -> None:
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


def sharded(data: "Data", folder: Folder, laid: "Laid", *, resident_bytes: int) -> Sharded:
    """Data as shards below ``folder``."""
    if is_frame(data):
        shards = write_shards(data, folder, laid(schema_of(data)))
    elif is_dataset(data):
        shards = copy_shards(data, folder, laid(data.schema))
    else:
        raise ValueError(f"training on Spark takes DataFrames and pyarrow datasets, got {type(data).__name__}")
    return Sharded(folder=folder, shards=shards, resident_bytes=resident_bytes)


def groups(
    training: "Training",
    session: SparkSession,
    train: Sharded,
    validation: Sharded | None,
    chain: Chain,
    workers: int,
) -> HeardGroups:
    """The groups of a run, over a switchboard of its own."""
    switchboard = open_switchboard(session.sparkContext.getConf())
    assignment = Assignment(
        run=uuid.uuid4().hex[:12],
        recipe=training,
        train=train,
        validation=validation,
        commits=chain.commits,
        start=chain.commit.saved,
        ahead=chain.commit.step,
        host=switchboard.host,
        port=switchboard.port,
        workers=workers,
        batch=training.batch,
        sharded=training.shard_optimizer,
        loaders=training.loading,
        longest_s=training.group_s,
        patience_s=training.patience_s,
    )
    barriers = BarrierGroups(
        session=session,
        switchboard=switchboard,
        assignment=assignment,
        retries=training.retries,
        least_workers=workers if training.least_workers is None else training.least_workers,
        slots_wait_s=training.slots_wait_s,
    )
    return HeardGroups(barriers, Listener(switchboard, assignment.run, chain))
