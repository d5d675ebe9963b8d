"""Landing files into a table's partition: rows typed, numbered and checked, and bad ones set aside with their reason."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from infra.tables.hive import Draft, Table
from pipelines.judge import Judge, drafting, settled
from pipelines.landing import Delivery, Landing
from pipelines.outcome import Outcome, Rows
from pipelines.rows import Parser


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Replace the partition ``ds`` of ``table`` and of ``quarantine`` by the files of ``landing``/``source``.

    ``header`` maps the files' columns, in their order, to the table's; ``rules`` (reason -> SQL condition) are what a row
    must obey to be let in, and ``judge`` what must be true of all rows together. Columns of ``nullable`` may be empty, or hold
    the text ``null``. The table's key is source_file (below ``landing``) and source_line.
    """

    landing: str
    source: str
    header: Mapping[str, str]
    rules: Mapping[str, str]
    table: Table
    quarantine: Table
    judge: Judge
    ds: str
    run_id: str
    nullable: Collection[str] = frozenset()
    null: str = ""

    def run(self, spark: SparkSession) -> Outcome:
        landing = Landing(spark=spark, root=self.landing, folder=self.source, header=list(self.header))
        deliveries, lines = landing.read()
        parser, refusals = self._parser(), Observation()
        rows = parser.typed(lines)
        counted = rows.observe(refusals, F.count_if(~F.col("good")).alias("rows"))
        with drafting() as drafts:
            drafts.append(good := self._stage(counted.where("good"), self.table))
            drafts.append(bad := self._stage(self._refused(rows, parser, refusals.get["rows"]), self.quarantine))
            outcome, judgement = self._outcome(spark, deliveries, good, bad), self.judge.draft(good)
        return settled(outcome, drafts, [judgement])

    def _parser(self) -> Parser:
        types = {name: self.table.schema[name].dataType for name in self.header.values()}
        return Parser(header=list(self.header), types=types, rules=self.rules, nullable=self.nullable, null=self.null)

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
