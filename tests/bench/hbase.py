"""How quickly pictures come out of HBase: ``python -m tests.bench.hbase``, or ``--mb 200`` for less.

The same rows by plain Thrift scans from as many processes as there are tasks, by the map over key ranges, and by the source
into the JVM; medians of five rounds in one run, since only ratios compare.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from infra import processes
from infra import spark as engine
from infra.hbase.client import Address
from infra.hbase.keys import dated
from infra.hbase.regions import Part
from infra.hbase.rows import Rows
from infra.hbase.service import Service
from infra.hbase.source import register
from infra.hbase.writing import Writer
from infra.settings import Settings

ROUNDS = 5
TASKS = 2
KB = 50
TABLE = "bench"
SCHEMA = StructType().add("key", "string").add("jpeg", "binary")
BOUNDS = {"map over key ranges": (0.6, 0.8), "source to the JVM": (0.35, 0.35)}


def fill(spark: SparkSession, address: Address, pictures: int) -> None:
    """Write so many rows of random bytes."""

    def drawn(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for numbers in (
            batch["id"][at : at + 200].to_pylist() for batch in batches for at in range(0, len(batch), 200)
        ):
            keys = [dated("2024-03-01", f"{number:07d}.jpg") for number in numbers]
            bytes_ = [np.random.default_rng(number).bytes(KB * 1000) for number in numbers]
            yield pa.RecordBatch.from_pydict({"key": keys, "jpeg": bytes_})

    rows = spark.range(0, pictures, 1, TASKS).mapInArrow(drawn, SCHEMA)
    Writer(address=address, table=TABLE, family="pictures").write(rows)


def raw(address: Address, part: Part) -> int:
    """The bytes of one part by happybase alone."""
    total = 0
    with closing(address.connect(part.host)) as connection:
        for span in part.ranges:
            scan = {"row_start": span.start, "row_stop": span.stop, "batch_size": 100, "columns": [b"pictures:jpeg"]}
            total += sum(len(cells[b"pictures:jpeg"]) for _, cells in connection.table(TABLE).scan(**scan))
    return total


def weigh(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The bytes of a task's pictures, which it holds as Arrow batches."""
    total = sum(pc.sum(pc.binary_length(batch["jpeg"])).as_py() for batch in batches)
    yield pa.RecordBatch.from_pydict({"bytes": pa.array([total], pa.int64())})


def to_jvm(spark: SparkSession, address: Address) -> int:
    """The bytes of all pictures as the JVM counts them."""
    options = {"hosts": ",".join(address.hosts), "table": TABLE, "family": "pictures"}
    rows = spark.read.format("hbase").options(**options).schema(SCHEMA).load()
    return int(rows.agg(F.sum(F.length("jpeg"))).first()[0])  # type: ignore[index]


def timed(read: Callable[[], int], expected: int) -> float:
    """The MB/s of one read of everything."""
    began = time.perf_counter()
    got = read()
    if got != expected:
        raise RuntimeError(f"a read must find {expected} bytes, got {got}")
    return expected / 1e6 / (time.perf_counter() - began)


def measure(spark: SparkSession, address: Address, expected: int) -> None:
    rows = Rows(address=address, table=TABLE, schema=SCHEMA, family="pictures")
    with ProcessPoolExecutor(TASKS, mp_context=get_context("forkserver")) as pool:
        reads = {
            "plain Thrift scans": lambda: sum(pool.map(partial(raw, address), rows.parts())),
            "map over key ranges": lambda: sum(row.bytes for row in rows.mapped(spark, weigh, "bytes long").collect()),
            "source to the JVM": lambda: to_jvm(spark, address),
        }
        for read in reads.values():
            timed(read, expected)  # processes start, and HBase's files come into memory
        rates = [{name: timed(read, expected) for name, read in reads.items()} for _ in range(ROUNDS)]
    report(rates)


def report(rates: list[dict[str, float]]) -> None:
    first = next(iter(rates[0]))
    print(f"{first:<22} {statistics.median(rate[first] for rate in rates):6.0f} MB/s")
    for name, (least, aim) in BOUNDS.items():
        ratio = statistics.median(rate[name] / rate[first] for rate in rates)
        verdict = "MISSED" if ratio < least else "reached" if ratio >= aim else "enough"
        speed = statistics.median(rate[name] for rate in rates)
        print(f"{name:<22} {speed:6.0f} MB/s, {ratio:.2f} of plain scans; at least {least}, aim {aim}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.hbase", description=__doc__)
    parser.add_argument("--mb", type=int, default=2000, help="size of the table that each job reads")
    pictures = parser.parse_args().mb * 1000 // KB
    processes.end_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state=Path(folder), spark_master=f"local[{TASKS}]")
        service = Service(settings=settings)
        try:
            address = service.start()
            service.create(TABLE, ("pictures", "results"), 4)
            spark = engine.session("bench-hbase", settings)
            register(spark)
            fill(spark, address, pictures)
            measure(spark, address, pictures * KB * 1000)
            spark.stop()
        finally:
            service.stop()


if __name__ == "__main__":
    main()
