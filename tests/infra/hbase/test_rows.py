from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from infra.hbase.keys import EVERYTHING, Range, dated
from infra.hbase.rows import Rows
from infra.hbase.service import Service
from infra.hbase.writing import Writer

SCHEMA = StructType().add("key", "string").add("jpeg", "binary")


def picture(number: int) -> bytes:
    return np.random.default_rng(number).bytes(1_000 + number * 997 % 200_000)


@pytest.fixture(scope="module")
def rows(session: SparkSession, service: Service) -> Rows:
    """Three hundred pictures of 1 to 200 kB."""
    address = service.start()
    service.create("weighed", ("pictures", "results"), 4)
    pictures = [(dated(f"2024-03-{1 + number % 2:02d}", f"{number}.jpg"), picture(number)) for number in range(300)]
    Writer(address=address, table="weighed", family="pictures").write(session.createDataFrame(pictures, SCHEMA))
    return Rows(address=address, table="weighed", schema=SCHEMA, family="pictures", batch_bytes=1_000_000)


def weigh(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each picture's key, its length, and the bytes of the batch it came in."""
    for batch in batches:
        sizes = [len(value.as_py()) for value in batch["jpeg"]]
        good = [
            value.as_py() == picture(int(key.as_py()[11:-4]))
            for key, value in zip(batch["key"], batch["jpeg"], strict=True)
        ]
        yield pa.RecordBatch.from_pydict(
            {"key": batch["key"], "size": sizes, "good": good, "batch": [sum(sizes)] * len(sizes)}
        )


def test_a_map_over_key_ranges_sees_each_picture_once_in_batches_bounded_by_bytes(
    session: SparkSession, rows: Rows
) -> None:
    mapped = rows.mapped(session, weigh, "key string, size long, good boolean, batch long")
    assert mapped.rdd.getNumPartitions() == 4
    found = mapped.collect()
    assert len({row.key for row in found}) == len(found) == 300
    assert all(row.good and row.batch <= 1_000_000 for row in found)


def test_a_selection_of_days_is_read_in_as_many_tasks_as_asked_for(session: SparkSession, rows: Rows) -> None:
    day = EVERYTHING.within([Range.of_prefix(b"2024-03-02|")])
    chosen = Rows(address=rows.address, table=rows.table, schema=SCHEMA, family="pictures", selection=day, splits=4)
    mapped = chosen.mapped(session, weigh, "key string, size long, good boolean, batch long")
    assert mapped.rdd.getNumPartitions() == 16
    assert sorted(row.key for row in mapped.collect()) == sorted(f"2024-03-02|{n}.jpg" for n in range(1, 300, 2))


def test_nothing_selected_is_no_rows(session: SparkSession, rows: Rows) -> None:
    none = Rows(address=rows.address, table=rows.table, schema=SCHEMA, family="pictures", selection=EVERYTHING.only([]))
    assert none.mapped(session, weigh, "key string, size long, good boolean, batch long").collect() == []
