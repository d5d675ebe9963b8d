"""Training on Spark: N workers end where one does, whatever the rows and partitions; errors and refusals reach the driver."""

import logging
import os
import platform
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyspark import InheritableThread
from pyspark.sql import SparkSession
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import SGD, Adam

from dlcore import (
    Accuracy,
    AtMinimum,
    Callback,
    ClipNorm,
    Constant,
    EverySteps,
    Fitted,
    Folder,
    LostRun,
    MeanLoss,
    Moment,
    Progress,
    Stop,
    Training,
    Warmup,
)
from dlcore.spark import worker
from dlcore.spark.executors import refuse_no_folder
from dlcore.spark.writing import refuse_missing
from dlcore.step.progress import told
from dlcore.step.tuning import computing_with

SETTINGS: dict[str, Any] = {
    "model": lambda: nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 1)),
    "loss": binary_cross_entropy_with_logits,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Warmup(start=0.01, steps=10, then=Constant(lr=0.05)),
    "clip": ClipNorm(1.0),
    "batch": 50,
    "epochs": 3,
    "seed": 3,
}


def training(**changes: Any) -> Training:
    return Training(**(SETTINGS | changes))


def features(tumours: pd.DataFrame) -> list[str]:
    return [name for name in tumours.columns if name != "benign"]


@pytest.mark.parametrize(("rows", "partitions"), [(569, 3), (51, 8), (1, 2)])
def test_two_workers_end_where_one_does(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, rows: int, partitions: int
) -> None:
    frame = spark.createDataFrame(tumours.iloc[:rows]).repartition(partitions)
    fits = [
        training().fit(
            frame, features=features(tumours), label="benign", workers=workers, folder=f"{tmp_path}/{workers}"
        )
        for workers in (1, 2)
    ]
    for one, two in zip(*(fit.module.parameters() for fit in fits), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    losses = [[record.loss for record in fit.history] for fit in fits]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_weighed_losses_own_steps_micro_batches_and_metrics_are_those_of_one_worker(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    def two_classes(rows: int) -> Training:
        return training(
            model=lambda: nn.Linear(30, 2),
            loss=nn.CrossEntropyLoss(torch.tensor([9.0, 1.0])),
            step=weighed_step,
            micro_batch=rows,
            metrics=(Accuracy(), MeanLoss(loss=nn.CrossEntropyLoss(torch.tensor([9.0, 1.0])))),
        )

    frame = spark.createDataFrame(tumours).repartition(3)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "validation": frame.limit(99)}
    one, two = (
        two_classes(rows).fit(frame, **columns, workers=workers, folder=f"{tmp_path}/{workers}")
        for workers, rows in ((1, 50), (2, 7))
    )
    for ours, theirs in zip(one.module.parameters(), two.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for this, that in zip(one.history, two.history, strict=True):
        assert (this.loss, this.validation) == pytest.approx((that.loss, that.validation), rel=1e-4)
        assert this.metrics == pytest.approx(that.metrics, rel=1e-4)
        assert this.metrics["loss"] == pytest.approx(this.validation)


def weighed_step(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.tensor([9.0, 1.0])
    return cross_entropy(model(x), y, weight, reduction="sum"), weight[y].sum()


def normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def test_two_workers_with_synchronised_statistics_and_a_start_end_where_one_does(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    """Of 51 rows the last batch has one: the second worker has none in it."""
    frame = spark.createDataFrame(tumours.iloc[:51]).repartition(2)
    torch.manual_seed(8)
    start = normalised()
    synchronised = training(model=normalised, sync_batchnorm=True)
    given: dict[str, Any] = {"features": features(tumours), "label": "benign", "validation": frame, "start": start}
    one, two = (synchronised.fit(frame, **given, workers=n, folder=f"{tmp_path}/{n}") for n in (1, 2))
    torch.testing.assert_close(one.module.state_dict(), two.module.state_dict(), rtol=1e-3, atol=1e-4)
    assert [r.validation for r in one.history] == pytest.approx([r.validation for r in two.history], rel=1e-3)


def test_groups_and_a_stop_change_nothing(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign"}
    with caplog.at_level(logging.INFO, logger="dlcore"):
        whole = training(epochs=6).fit(frame, **columns, workers=2, folder=f"{tmp_path}/a", validation=frame.limit(99))
    assert any("epoch 6, step 72: loss" in line for line in caplog.messages)
    cut = training(epochs=6, group_s=0.001)
    part = cut.fit(frame, **columns, workers=2, folder=f"{tmp_path}/b", on_progress=lambda record: record.epoch == 1)
    assert part.time_shares["scheduling"] > 0.2 > whole.time_shares["scheduling"], "a group a step is mostly scheduling"
    assert f"of the time: {told(whole.time_shares)}" in caplog.messages
    assert any("a training as short as this is over sooner in one process" in line for line in caplog.messages)
    rest = training(epochs=6).fit(frame, **columns, workers=2, folder=f"{tmp_path}/b")
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), rest.module.parameters(), strict=True))
    assert rest.history[: len(part.history)] == part.history
    assert [r.validation is not None for r in whole.history] == [True] * 6


def dropping() -> nn.Module:
    return nn.Sequential(normalised(), nn.Dropout(0.2), nn.Linear(1, 1))


def test_averaging_stopped_between_groups_and_gone_on_from_ends_with_the_same_bits(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    averaged = training(model=dropping, clip=None, average_every=5)
    whole = averaged.fit(frame, **columns, folder=f"{tmp_path}/a")
    part = replace(averaged, group_s=0.001, record=EverySteps(1)).fit(
        frame, **columns, folder=f"{tmp_path}/b", on_progress=lambda record: record.step >= 10
    )
    assert [record.step for record in part.history][:2] == [5, 10]
    rest = averaged.fit(frame, **columns, folder=f"{tmp_path}/b")
    states = whole.module.state_dict(), rest.module.state_dict()
    assert all(torch.equal(each, states[1][name]) for name, each in states[0].items())
    with pytest.raises(ValueError, match="workers was 2, is 1"):
        averaged.fit(frame, **columns | {"workers": 1}, folder=f"{tmp_path}/b")


class Here(Callback):
    """Keeps the threads that it is called in, and the steps that were committed; asks for a stop from another thread."""

    def __init__(self, stop: Stop) -> None:
        self.threads: set[int] = set()
        self.committed: list[int] = []
        self.stop = stop

    def commit(self, moment: Moment, weights: Callable[[], object]) -> None:
        self.threads.add(threading.get_ident())
        self.committed.append(moment.place.step)

    def record(self, record: Progress) -> None:
        self.threads.add(threading.get_ident())
        if record.epoch == 5:
            threading.Thread(target=self.stop.set).start()


def test_the_best_weights_are_kept_and_callbacks_are_called_in_this_thread(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    frame, held_out = spark.createDataFrame(tumours.iloc[:300]), spark.createDataFrame(tumours.iloc[300:])
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2, "validation": held_out}
    rising = training(epochs=500, keep_best=AtMinimum(), schedule=lambda step: 5.0 if step > 14 else 0.05)
    here = Here(Stop())
    fitted = rising.fit(frame, **columns, folder=f"{tmp_path}/a", callbacks=[here], stop=here.stop)
    assert here.threads == {threading.get_ident()}
    assert fitted.best is not None
    assert fitted.best.step in here.committed
    assert fitted.history[-1].epoch in range(5, 500)
    assert fitted.best.validation == min(record.validation or 9 for record in fitted.history)
    loss = MeanLoss(loss=binary_cross_entropy_with_logits)
    assert fitted.evaluate(tumours.iloc[300:], [loss])["loss"] == pytest.approx(fitted.best.validation, rel=1e-4)


def test_a_sharded_optimizer_changes_nothing_and_goes_on_replicated(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    adam = training(optimizer=partial(Adam), keep_commits=1)
    whole = adam.fit(frame, **columns, folder=f"{tmp_path}/a")
    sharded = replace(adam, shard_optimizer=True, group_s=0.001)
    part = sharded.fit(frame, **columns, folder=f"{tmp_path}/b", on_progress=lambda record: record.epoch == 1)
    assert part.history[-1].step < 36
    assert len(list((tmp_path / "b" / "commits").rglob("slice-*.safetensors"))) == 2, "one commit of two slices"
    rest = adam.fit(frame, **columns, folder=f"{tmp_path}/b")
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), rest.module.parameters(), strict=True))


def test_with_logical_workers_two_on_spark_end_with_the_bits_of_this_process(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    tumours.to_parquet(tmp_path / "rows.parquet")
    rows = ds.dataset(tmp_path / "rows.parquet")

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    ours = training(model=model, logical_workers=2, metrics=[MeanLoss(loss=SETTINGS["loss"], name="mean")])
    with computing_with(1):  # as a worker of one core
        fits = [
            ours.fit(rows, features=features(tumours), label="benign", workers=workers, validation=rows)
            for workers in (1, 2)
        ]
    alone, together = (fit.module.state_dict() for fit in fits)
    assert all(torch.equal(value, together[name]) for name, value in alone.items())
    told = [[(record.loss, record.validation, record.metrics) for record in fit.history] for fit in fits]
    assert told[0] == told[1]


def test_parquet_files_train_without_spark_in_the_way(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    tumours.to_parquet(tmp_path / "rows.parquet", index=False)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign"}
    two = training().fit(ds.dataset(tmp_path / "rows.parquet"), **columns, workers=2, folder=f"{tmp_path}/run")
    one = training().fit(tumours, **columns)
    for ours, theirs in zip(two.module.parameters(), one.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_another_file_system_gives_the_same_and_larger_data_is_mapped_there_too(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    here = training(epochs=1).fit(frame, **columns, folder=f"{tmp_path}/here")
    elsewhere = Folder("there", SubTreeFileSystem(str(tmp_path), LocalFileSystem()), single_writer=True)
    cut = training(epochs=1, resident_bytes=0, group_s=0.001)
    cut.fit(frame, **columns, folder=elsewhere, on_progress=lambda _: True)
    there = training(epochs=1, resident_bytes=0).fit(frame, **columns, folder=elsewhere)
    assert all(torch.equal(a, b) for a, b in zip(here.module.parameters(), there.module.parameters(), strict=True))


@pytest.fixture
def default_hdfs(spark: SparkSession, hdfs: str) -> Iterator[str]:
    """The session's default file system is a nameservice that its configuration alone describes."""
    conf: Any = spark.sparkContext._jsc.hadoopConfiguration()
    named = {
        "fs.defaultFS": "hdfs://ours",
        "dfs.nameservices": "ours",
        "dfs.ha.namenodes.ours": "one",
        "dfs.namenode.rpc-address.ours.one": hdfs,
    }
    before = conf.get("fs.defaultFS")
    for name, value in named.items():
        conf.set(name, value)
    yield hdfs
    for name in named:
        conf.unset(name)
    conf.set("fs.defaultFS", before)


def test_hdfs_without_a_namenode_is_the_sessions_and_workers_know_it_too(
    spark: SparkSession, default_hdfs: str, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    here = training(epochs=1).fit(frame, **columns, folder=tmp_path / "here")
    there = training(epochs=1, resident_bytes=0).fit(frame, **columns, folder="hdfs:///by-session/run")
    assert all(torch.equal(a, b) for a, b in zip(here.module.parameters(), there.module.parameters(), strict=True))
    assert "index.json" in Folder.of(f"hdfs://{default_hdfs}/by-session/run/data").names()


def test_a_driver_that_lost_its_run_while_its_workers_train_says_so(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    """The other takes the run over in mid-group, ends it in this process, and removes what the workers began with."""
    tumours.to_parquet(tmp_path / "rows.parquet", index=False)
    rows, folder, others = ds.dataset(tmp_path / "rows.parquet"), tmp_path / "run", list[Fitted]()
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "folder": folder}
    short = training(epochs=6, group_s=0.001)

    def take_over(record: Progress) -> None:
        if record.epoch == 2 and not others:
            others.append(short.fit(rows, **columns))

    with pytest.raises(LostRun, match=f"the run in {folder}/commits was taken over by process {os.getpid()}"):
        short.fit(rows, **columns, workers=2, on_progress=take_over)
    assert others[0].history[-1].epoch == 6
    again = short.fit(rows, **columns)
    assert all(torch.equal(a, b) for a, b in zip(others[0].module.parameters(), again.module.parameters(), strict=True))


def test_an_error_on_a_worker_is_raised_with_its_rank_and_trace(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    def picky(prediction: Tensor, target: Tensor) -> Tensor:
        raise ZeroDivisionError(f"I do not like {len(target)} rows")

    with pytest.raises(ZeroDivisionError, match="I do not like 25 rows") as caught:
        training(loss=picky).fit(
            spark.createDataFrame(tumours), features=features(tumours), label="benign", workers=2, folder=str(tmp_path)
        )
    assert "raised on rank" in caught.value.__notes__[0]
    assert "in picky" in caught.value.__notes__[0]


def test_idle_workers_that_spark_ends_between_groups_change_nothing(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    """Spark ends idle workers after a minute, by SIGKILL; here that comes at once, with no group under way."""
    ended: list[int] = []

    def end_idle_workers(record: Progress) -> None:
        while spark.sparkContext.statusTracker().getActiveJobsIds():
            time.sleep(0.01)
        if record.epoch == 2:
            for worker in python_workers():
                ended.append(worker.pid)
                worker.kill()

    frame = spark.createDataFrame(tumours).repartition(2)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    slow = training(batch=200, group_s=0.001)
    broken = slow.fit(frame, **columns, folder=f"{tmp_path}/a", on_progress=end_idle_workers)
    whole = slow.fit(frame, **columns, folder=f"{tmp_path}/b")
    assert len(ended) >= 2
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), broken.module.parameters(), strict=True))


def python_workers() -> list[psutil.Process]:
    """This session's Python worker processes: those whose parent is a Python daemon like them."""
    alive = psutil.process_iter(["cmdline", "ppid"], ad_value=None)
    daemons = {p.pid: p for p in alive if any(word.endswith(".daemon") for word in p.info["cmdline"] or ())}
    ours = {p.pid for p in psutil.Process().children(recursive=True)}
    return [p for pid, p in daemons.items() if pid in ours and p.info["ppid"] in daemons]


def test_nothing_is_left_in_temporary_places(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(prediction: Tensor, target: Tensor) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = set(os.listdir("/dev/shm"))
    frame = spark.createDataFrame(tumours)
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign", "workers": 2}
    places: list[list[str]] = []
    training(epochs=1).fit(frame, **columns, on_progress=lambda _: places.append(os.listdir(tmp_path)))
    with pytest.raises(ZeroDivisionError):
        training(loss=fails).fit(frame, **columns)
    assert any(name.startswith("dlcore-") for name in places[0])
    assert os.listdir(tmp_path) == []
    assert set(os.listdir("/dev/shm")) <= shared


def test_a_worker_that_fails_alone_does_not_leave_the_other_waiting(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    def unlucky(prediction: Tensor, target: Tensor) -> Tensor:
        if len(target) < 10:  # the second worker's part of the last batch
            raise ValueError("too few")
        return binary_cross_entropy_with_logits(prediction, target)

    with pytest.raises(ValueError, match="too few"):
        training(loss=unlucky).fit(
            spark.createDataFrame(tumours), features=features(tumours), label="benign", workers=2, folder=str(tmp_path)
        )


def test_values_that_cannot_be_trained_on_are_counted(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    holes = tumours.copy()
    holes.iloc[[3, 400], 0] = float("nan")
    given: dict[str, Any] = {"features": features(tumours), "label": "benign", "folder": str(tmp_path)}
    with pytest.raises(ValueError, match="mean_radius in 2 rows"):
        training().fit(spark.createDataFrame(holes).repartition(3), **given)
    training(epochs=1).fit(spark.createDataFrame(tumours).coalesce(1), **given)
    assert len(list((tmp_path / "data").glob("*.arrow"))) == 1, "pieces of the job that failed are left"


def test_a_model_that_does_not_pickle_is_named(spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as handle, pytest.raises(TypeError, match=r"Training.model cannot be sent"):
        training(model=lambda: (handle.name, nn.Linear(30, 1))[1]).fit(
            spark.createDataFrame(tumours), features=features(tumours), label="benign", folder=str(tmp_path)
        )


def test_with_leave_to_it_goes_on_with_the_workers_there_are(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns: dict[str, Any] = {"features": features(tumours), "label": "benign"}
    frame = spark.createDataFrame(tumours).repartition(2)
    fits = [
        training(slots_wait_s=0.1, least_workers=1).fit(
            frame, **columns, workers=workers, folder=f"{tmp_path}/{workers}"
        )
        for workers in (2, 5)
    ]
    assert "training needs 5 task slots at once, the Spark application has 2: going on" in caplog.text
    for one, two in zip(*(fit.module.parameters() for fit in fits), strict=True):
        assert torch.equal(one, two)


def test_slots_that_another_job_holds_are_waited_for_with_a_deadline(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held, released = tmp_path / "held", tmp_path / "released"

    def hold(_: int) -> None:
        held.touch()
        while not released.exists():
            time.sleep(0.05)

    holder = InheritableThread(target=lambda: spark.sparkContext.parallelize([0], 1).foreach(hold))
    holder.start()
    try:
        while not held.exists():
            time.sleep(0.05)
        with pytest.raises(TimeoutError, match=r"needs 2 task slots at once.*other jobs hold some"):
            training(slots_wait_s=0.1).fit(
                spark.createDataFrame(tumours),
                features=features(tumours),
                label="benign",
                workers=2,
                folder=str(tmp_path),
            )
    finally:
        released.touch()
        holder.join()
    assert "2 workers wait for task slots that other jobs hold" in caplog.text


def test_what_workers_print_warn_of_and_log_is_heard(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def talkative(prediction: Tensor, target: Tensor) -> Tensor:
        print("a loss of", len(target))
        warnings.warn("so many losses", stacklevel=1)
        logging.getLogger("mine").error("not %s", "good")
        return binary_cross_entropy_with_logits(prediction, target)

    with caplog.at_level(logging.INFO, logger="dlcore"):
        training(epochs=1, loss=talkative).fit(
            spark.createDataFrame(tumours), features=features(tumours), label="benign", workers=2, folder=str(tmp_path)
        )
    told = {(record.levelname, record.getMessage()) for record in caplog.records if record.name == "dlcore"}
    for rank in (0, 1):
        assert ("INFO", f"rank {rank}: a loss of 25") in told
        assert ("ERROR", f"rank {rank}: mine: not good") in told
        assert any(f"rank {rank}: " in text and "UserWarning: so many losses" in text for _, text in told)
    assert sum(f"workers on {platform.node()} are set up with" in text for _, text in told) == 1


def test_processes_listen_on_loopback_alone_and_keep_nothing_of_a_run_that_is_done(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path
) -> None:
    def slow(prediction: Tensor, target: Tensor) -> Tensor:
        time.sleep(0.05)
        return binary_cross_entropy_with_logits(prediction, target)

    def look(record: Progress) -> None:
        if not found:
            found.update({p.pid: listening(p) for p in [psutil.Process(), *psutil.Process().children(recursive=True)]})
            workers.extend(p.pid for p in python_workers())

    def kept(_: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        time.sleep(0.5)  # so that each of the two processes gets a task
        yield pa.RecordBatch.from_pylist([{"pid": os.getpid(), "kept": worker.PROCESS.kept is not None}])

    found: dict[int, set[str]] = {}
    workers: list[int] = []
    training(epochs=2, loss=slow).fit(
        spark.createDataFrame(tumours),
        features=features(tumours),
        label="benign",
        workers=2,
        folder=str(tmp_path),
        on_progress=look,
    )
    assert set().union(*found.values()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len([pid for pid in workers if found[pid]]) >= 2, "two workers listen for each other"
    rows = spark.range(0, 2, 1, 2).mapInArrow(kept, "pid long, kept boolean").collect()
    assert len({row.pid for row in rows} & {*workers}) == 2
    assert not any(row.kept for row in rows)


def listening(process: psutil.Process) -> set[str]:
    """The addresses that a process listens on."""
    with suppress(psutil.NoSuchProcess):
        connections = process.net_connections("tcp")
        return {str(c.laddr.ip) for c in connections if c.status == psutil.CONN_LISTEN and c.laddr}
    return set()


def test_too_few_slots_is_a_sentence(spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="needs 64 task slots at once, the Spark application has 2"):
        training(slots_wait_s=0.1).fit(
            spark.createDataFrame(tumours), features=features(tumours), label="benign", workers=64, folder=str(tmp_path)
        )


def test_several_machines_need_a_folder() -> None:
    for master, folder in (("local[2]", None), ("local-cluster[2,1,1024]", None), ("spark://one:7077", "/shared/run")):
        refuse_no_folder(master, folder)
    with pytest.raises(ValueError, match=r"got folder=None on master spark://one:7077; give one"):
        refuse_no_folder("spark://one:7077", None)


def test_a_folder_that_is_another_on_each_machine_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").touch()
    refuse_missing(Folder(str(tmp_path)), ["a.arrow"])
    with pytest.raises(
        ValueError, match=r"1 pieces that workers wrote there are not seen from the driver, such as b\.arrow"
    ):
        refuse_missing(Folder(str(tmp_path)), ["b.arrow", "a.arrow"])
