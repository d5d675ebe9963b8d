"""The latest writer to begin wins whole, and each earlier one learns who superseded it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from infra.tables import hadoop
from infra.tables.fence import PRUNED_AT, Fence, Superseded
from infra.tables.hive import Partition, Table

DS = "2013-09-01"


@pytest.fixture
def fence(spark: SparkSession, tmp_path: Path) -> Fence:
    return Fence(spark=spark, folder=f"file:{tmp_path}/fence", subject="table ds=X")


@pytest.fixture
def table(database: str) -> Table:
    return Table(database=database, name="rows", schema=StructType([StructField("id", LongType())]), version=1)


def test_lone_writer_commits(fence: Fence) -> None:
    fence.commit(fence.begin("first"), "v1")
    fence.commit(fence.begin("second"), "v2")
    assert fence.committed(last=2) == ["v1", "v2"]


def test_earlier_writer_is_superseded_even_while_the_later_is_at_work(fence: Fence) -> None:
    early, late = fence.begin("early"), fence.begin("late")
    with pytest.raises(Superseded, match="run early was superseded by run late"):
        fence.commit(early, "v1")
    fence.commit(late, "v2")
    assert fence.committed(last=2) == ["v2"]


def test_sleeper_that_wakes_after_many_commits_is_superseded(fence: Fence) -> None:
    sleeper = fence.begin("run")
    for number in range(12):
        fence.commit(fence.begin("run"), f"v{number}")
    with pytest.raises(Superseded, match="run run was superseded by a later try of run run"):
        fence.commit(sleeper, "stale")
    assert fence.committed(last=1) == ["v11"]


def test_threads_that_begin_at_once_get_numbers_of_their_own(fence: Fence) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: fence.begin(f"run-{number}"), range(24)))
    assert len({claim.number for claim in claims}) == 24
    latest = max(claims, key=lambda claim: claim.number)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda claim: _committed(fence, claim), claims))
    assert [claim.run for claim, won in zip(claims, outcomes, strict=True) if won] == [latest.run]


def _committed(fence: Fence, claim: object) -> bool:
    try:
        fence.commit(claim, "v")  # type: ignore[arg-type]
    except Superseded:
        return False
    return True


def test_a_name_is_created_once_by_any_filesystem(spark: SparkSession, tmp_path: Path) -> None:
    """Through a mount table the way is the one of HDFS: a rename that never overwrites."""
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    configuration.set("fs.viewfs.mounttable.ember.link./data", tmp_path.as_uri())
    path = "viewfs://ember/data/folder/00000001.json"
    assert hadoop.create(spark, path, "first")
    assert not hadoop.create(spark, path, "second")
    assert hadoop.read(spark, path) == "first"
    assert [entry.name for entry in hadoop.entries(spark, "viewfs://ember/data/folder")] == ["00000001.json"]


def test_stalled_first_try_cannot_overwrite_the_second(spark: SparkSession, table: Table, tmp_path: Path) -> None:
    """The first try's task waits in mid-write until the second try has committed."""
    stalled = spark.range(10).repartition(1).mapInPandas(_waiting(tmp_path), "id bigint")
    failures: list[BaseException] = []
    first = threading.Thread(target=_collect, args=(failures, table, spark, stalled))
    first.start()
    _await(tmp_path / "begun")
    second = table.stage(spark, spark.range(3), ds=DS, run="second").commit()
    (tmp_path / "go").touch()
    first.join()
    assert [type(failure) for failure in failures] == [Superseded]
    assert "run first was superseded by run second" in str(failures[0])
    assert table.current(spark, DS) == second
    assert table.read(spark, [DS]).count() == 3
    folder = Path(second.location.removeprefix("file:")).parent
    assert [path.name for path in folder.iterdir()] == [second.location.rpartition("/")[2]]


def _waiting(folder: Path):  # type: ignore[no-untyped-def]
    def wait(batches):  # type: ignore[no-untyped-def]
        (folder / "begun").touch()
        for _ in range(600):
            if (folder / "go").exists():
                break
            threading.Event().wait(0.1)
        yield from batches

    return wait


def _await(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        threading.Event().wait(0.1)
    raise TimeoutError(f"{path} did not appear in a minute")


def _collect(failures: list[BaseException], table: Table, spark: SparkSession, df: DataFrame) -> None:
    try:
        table.stage(spark, df, ds=DS, run="first").commit()
    except (Superseded, OSError, RuntimeError) as error:
        failures.append(error)


def test_many_writers_at_once_leave_one_whole_version(spark: SparkSession, table: Table) -> None:
    table.create(spark)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: _replaced(spark, table, number), range(4)))
    winners = [result for result in results if result is not None]
    current = table.current(spark, DS)
    assert current in winners
    (values,) = table.read(spark, [DS]).agg(F.collect_set("id")).collect()
    assert len(values[0]) == 1
    assert table.read(spark, [DS]).count() == 50


def _replaced(spark: SparkSession, table: Table, number: int) -> Partition | None:
    rows = spark.range(50).select(F.lit(number).cast("bigint").alias("id"))
    try:
        return table.stage(spark, rows, ds=DS, run=f"run-{number}").commit()
    except Superseded:
        return None


def test_a_commit_that_is_in_the_log_already_stands(fence: Fence) -> None:
    """As where the file system was asked twice, since its first answer was lost."""
    claim = fence.begin("run")
    fence.commit(claim, "v1")
    fence.commit(claim, "v1")
    assert fence.committed(last=2) == ["v1"]


FORGETFUL = """
package ember;
public class Forgetful extends org.apache.hadoop.fs.RawLocalFileSystem {
    public java.net.URI getUri() { return java.net.URI.create("forgetful:///"); }
    public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) throws java.io.IOException {
        super.rename(from, to);
        throw new java.io.IOException("the connection was reset before the answer came");
    }
    public static class OfContext extends org.apache.hadoop.fs.DelegateToFileSystem {
        public OfContext(java.net.URI uri, org.apache.hadoop.conf.Configuration conf)
            throws java.io.IOException, java.net.URISyntaxException {
            super(uri, new Forgetful(), conf, "forgetful", false);
        }
    }
}
"""


@pytest.fixture
def forgetful(spark: SparkSession, tmp_path: Path) -> Iterator[Fence]:
    """A fence on a file system whose renames succeed and then fail to say so."""
    jvm, configuration = spark.sparkContext._jvm, spark.sparkContext._jsc.hadoopConfiguration()
    assert jvm is not None
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.cook(FORGETFUL)
    before = configuration.getClassLoader()
    configuration.setClassLoader(compiler.getClassLoader())
    configuration.set("fs.forgetful.impl", "ember.Forgetful")
    configuration.set("fs.AbstractFileSystem.forgetful.impl", "ember.Forgetful$OfContext")
    yield Fence(spark=spark, folder=f"forgetful://{tmp_path}/fence", subject="table ds=X")
    configuration.setClassLoader(before)


def test_a_rename_that_succeeded_without_saying_so_has_committed(forgetful: Fence) -> None:
    claim = forgetful.begin("run")
    forgetful.commit(claim, "v1")
    assert forgetful.committed(last=1) == ["v1"]
    sleeper = forgetful.begin("run")
    forgetful.begin("run")
    with pytest.raises(Superseded, match="by a later try of run run"):
        forgetful.commit(sleeper, "v2")


def test_a_pruned_log_stays_short_and_lets_no_sleeper_in(fence: Fence) -> None:
    """The sleepers' numbers are free again, and void."""
    early, late = fence.begin("sleeper"), fence.begin("sleeper")
    for number in range(20):
        fence.commit(fence.begin("run"), f"v{number}")
        fence.prune()
    names = [entry.name for entry in hadoop.entries(fence.spark, fence.folder)]
    assert len(names) <= PRUNED_AT + 2
    assert f"{late.number:08d}.json" not in names
    for sleeper in (early, late):
        with pytest.raises(Superseded, match="run sleeper was superseded by run run"):
            fence.commit(sleeper, "stale")
    assert fence.committed(last=2) == ["v18", "v19"]
    fence.commit(fence.begin("run"), "v20")
    assert fence.committed(last=1) == ["v20"]
