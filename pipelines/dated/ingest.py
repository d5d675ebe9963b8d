"""What was delivered into a table's partition: rows typed, numbered and checked, and bad ones set aside with their reason."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from infra.expectations import enough_rows
from infra.tables.hive import Draft, Table
from pipelines.dated.judge import Judge, drafting, settled
from pipelines.dated.landing import Landing
from pipelines.dated.rows import Parser
from pipelines.dated.source import Delivery, HiveSource
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Replace the partition ``ds`` of ``table`` and of ``quarantine`` by what ``source`` delivers.

    ``header`` maps the source's columns, of files in their order, to the table's; ``rules`` (reason -> SQL condition) are what
    a row must obey to be let in, and ``judge`` what must be true of all rows together. ``optional`` columns may be empty, or
    hold the text ``null``; ``repeats`` says what becomes of a file's rows whose values another file has. A delivery of less than
    ``least_share`` of the rows that stand does not replace them. The table's key is source_file and source_line.
    """

    source: Landing | HiveSource
    header: Mapping[str, str]
    rules: Mapping[str, str]
    table: Table
    quarantine: Table
    judge: Judge
    ds: str
    run_id: str
    optional: Collection[str] = ()
    null: str = ""
    repeats: Literal["keep", "refuse"] = "refuse"
    least_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.least_share <= 1:
            raise ValueError(f"Ingest.least_share must be between 0 and 1, got {self.least_share}")

    def run(self, spark: SparkSession) -> Outcome:
        deliveries, lines = self.source.read(spark, list(self.header))
        parser, refusals = self._parser(deliveries), Observation()
        rows = parser.typed(lines)
        counted = rows.observe(refusals, F.count_if(~F.col("good")).alias("rows"))
        with drafting() as drafts:
            drafts.append(good := self._stage(counted.where("good"), self.table))
            drafts.append(bad := self._stage(self._refused(rows, parser, refusals.get["rows"]), self.quarantine))
            outcome, judgement = self._outcome(spark, deliveries, good, bad), self._judge(spark).draft(good)
        return settled(outcome, drafts, [judgement])

    def _parser(self, deliveries: list[Delivery]) -> Parser:
        return Parser(
            header=list(self.header),
            types={name: self.table.schema[name].dataType for name in self.header.values()},
            rules=self.rules,
            optional=self.optional,
            null=self.null,
            repeats=self.repeats if sum(not delivery.repeats for delivery in deliveries) > 1 else "keep",
        )

    def _judge(self, spark: SparkSession) -> Judge:
        """The app's judge, who also sees that the rows that stand are not replaced by a poorer delivery."""
        standing = self.table.current(spark, self.ds).rows if self.ds in self.table.dates(spark) else 0
        if not (least := math.ceil(standing * self.least_share)):
            return self.judge
        return replace(self.judge, expectations=[enough_rows(least, standing), *self.judge.expectations])

    def _refused(self, rows: DataFrame, parser: Parser, count: int) -> DataFrame:
        """The bad rows with their reasons: the files are read once more for them, where there are any."""
        return parser.refused(rows) if count else rows.sparkSession.createDataFrame([], self.quarantine.schema)

    def _stage(self, rows: DataFrame, table: Table) -> Draft:
        return table.stage(rows.sparkSession, rows, ds=self.ds, run=self.run_id)

    def _outcome(self, spark: SparkSession, deliveries: list[Delivery], good: Draft, bad: Draft) -> Outcome:
        taken = sum(file.lines for file in deliveries)
        counted = Rows(taken=taken, given=good.partition.rows, quarantined=bad.partition.rows)
        equal, reasons = self._equal_values(spark, good), _reasons(spark, bad)
        found = f"{counted} from {len(deliveries)} files; {equal:,} rows equal an earlier one's values"
        return Outcome(
            summary=f"{self.table} ds={self.ds}: {found}",
            rows=counted,
            metrics={"equal_values": equal},
            warnings=tuple(f"{count:,} rows quarantined: {reason}" for reason, count in reasons.items()),
        )

    def _equal_values(self, spark: SparkSession, good: Draft) -> int:
        """How many rows have all values of an earlier one under another key: kept, since equal is not the same."""
        return good.partition.rows - good.rows(spark).select(*self.header.values()).distinct().count()


def _reasons(spark: SparkSession, quarantined: Draft) -> dict[str, int]:
    """How many rows were refused for each reason."""
    if not quarantined.partition.rows:
        return {}
    counted = quarantined.rows(spark).groupBy("reason").count().orderBy("reason")
    return {row["reason"]: row["count"] for row in counted.collect()}
