"""What models made of a day's pictures, put down: rows of a table, judged, and the same as cells beside the pictures in HBase."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from infra.hbase.writing import Writer, Written
from infra.tables.hive import Draft, Partition, Table
from pipelines.dated.judge import Judge, drafting, settled
from pipelines.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Results:
    """Where the results of ``ds`` go: ``table``, and HBase by ``writer``. What ``judge`` refuses reaches neither."""

    ds: str
    table: Table
    writer: Writer
    judge: Judge
    run_id: str

    def put(
        self,
        rows: DataFrame,
        *,
        made_of: Partition,
        cells: Callable[[DataFrame], DataFrame],
        outcome: Callable[[Draft], Outcome],
    ) -> Outcome:
        """Replace the day's rows, made of ``made_of``; HBase has the ``cells`` of the rows before the table names them."""
        spark = rows.sparkSession
        with drafting() as drafts:
            inputs = {f"{made_of.table} ds={made_of.ds}": made_of.fingerprint}
            drafts.append(draft := self.table.stage(spark, rows, ds=self.ds, run=self.run_id, inputs=inputs))
            judgement, made = self.judge.draft(draft), outcome(draft)
            if not judgement.failed:
                made = _told(made, self.writer.write(cells(draft.rows(spark))))
        return settled(made, drafts, [judgement])


def _told(outcome: Outcome, written: Written) -> Outcome:
    """The outcome, with what HBase would not take."""
    if not written.failed:
        return outcome
    refused = f"HBase refused the results of {written.failed:,} pictures: {'; '.join(written.reasons)}"
    return replace(outcome, warnings=(*outcome.warnings, refused))
