"""``spark.read.format("hbase")``: rows of an HBase table as a DataFrame of the schema that the read gives.

For the catalogue and for results; pictures come quicker by ``infra.hbase.rows``. A row that has none of the schema's cells
is not read, as HBase does not find it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, Filter, InputPartition
from pyspark.sql.types import StructType

from infra.hbase.client import Address
from infra.hbase.filters import push
from infra.hbase.keys import SALTED, Range, Salting, Selection
from infra.hbase.regions import Part
from infra.hbase.rows import Rows

OPTIONS = (
    *("hosts", "table", "timeout_s", "patience_s", "family", "salt_digits"),
    *("start", "stop", "prefixes", "keys", "splits", "batch_bytes"),
)


def rows(options: Mapping[str, str], schema: StructType) -> Rows:
    """What the options of a read ask for; ``keys`` and ``prefixes`` are JSON lists, or one alone, and carry no salt."""
    given = {name.lower(): value for name, value in options.items() if name != "path"}
    if unknown := given.keys() - set(OPTIONS):
        raise ValueError(f"options of format hbase are {', '.join(OPTIONS)}; got {', '.join(sorted(unknown))}")
    if missing := {"hosts", "table"} - given.keys():
        raise ValueError(f"format hbase needs the options hosts and table; missing: {', '.join(sorted(missing))}")
    return Rows(
        address=Address(
            hosts=tuple(given["hosts"].split(",")),
            timeout_s=float(given.get("timeout_s", Address.timeout_s)),
            patience_s=float(given.get("patience_s", Address.patience_s)),
        ),
        table=given["table"],
        schema=schema,
        family=given.get("family", ""),
        salting=Salting(int(given.get("salt_digits", SALTED.digits))),
        selection=_selection(given),
        splits=int(given.get("splits", 1)),
        batch_bytes=int(given.get("batch_bytes", Rows.batch_bytes)),
    )


def _selection(given: Mapping[str, str]) -> Selection:
    selected = Selection(ranges=(Range(given.get("start", "").encode(), given.get("stop", "").encode()),))
    if "prefixes" in given:
        selected = selected.within(Range.of_prefix(prefix) for prefix in _several(given["prefixes"]))
    return selected.only(_several(given["keys"])) if "keys" in given else selected


def _several(text: str) -> list[bytes]:
    return [str(one).encode() for one in (json.loads(text) if text.startswith("[") else [text])]


class HBase(DataSource):
    """The format ``hbase``."""

    @classmethod
    def name(cls) -> str:
        return "hbase"

    def schema(self) -> StructType:
        raise ValueError("format hbase needs a schema, such as .schema('key string, `results:label` string')")

    def reader(self, schema: StructType) -> DataSourceReader:
        return Reader(rows(self.options, schema))


class Reader(DataSourceReader):
    """One partition a region, or more by ``splits``; batches bounded by bytes."""

    def __init__(self, rows: Rows) -> None:
        rows.layout.cells  # noqa: B018 (a schema that does not fit is refused in the driver)
        self._rows = rows

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:
        pushed, left = push(filters, self._rows.layout, self._rows.selection)
        self._rows = replace(self._rows, selection=pushed.selection, filter=pushed.filter)
        return left

    def partitions(self) -> Sequence[InputPartition]:
        nothing = Part(host=0)  # of no partitions at all Spark would make one without a value
        return [InputPartition(part) for part in self._rows.parts() or [nothing]]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        return self._rows.batches(partition.value)


def register(spark: SparkSession) -> None:
    """Make the format known to a session, with its filters pushed down."""
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "true")
    spark.dataSource.register(HBase)
