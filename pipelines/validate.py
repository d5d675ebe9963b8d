"""Gates: what must be true of a table's rows before the next step may work on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from features.drift import Profile, drift
from infra import expectations
from infra.expectations import Expectation, Finding
from infra.tables.hive import Partition, Table
from pipelines import sections
from pipelines.outcome import Outcome, Rows


class GateFailed(RuntimeError):
    """Rows break an expectation, or have drifted too far; the steps after the gate must not run."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Judge the pinned rows of ``table`` by ``expectations``; ``key`` names the rows that break one.

    ``profile`` is the training profile that columns are compared with (none: not compared); a column has
    drifted where its stability index passes ``drift_limit``, which warns, or fails the gate if ``stop_on_drift``.
    """

    table: Table
    inputs: tuple[Partition, ...]
    expectations: Sequence[Expectation]
    key: Sequence[str]
    profile: Profile | None = None
    drift_limit: float = 0.25
    stop_on_drift: bool = False

    def __post_init__(self) -> None:
        if not self.inputs or not self.expectations:
            raise ValueError(f"Gate needs inputs and expectations, got {self.inputs=}, {self.expectations=}")
        if self.drift_limit <= 0:
            raise ValueError(f"Gate.drift_limit must be positive, got {self.drift_limit}")

    def run(self, spark: SparkSession) -> Outcome:
        rows = self._rows(spark).persist()
        try:
            findings = expectations.evaluate(rows.drop("ds"), self.expectations, key=self.key)
            self._stop_at([str(finding) for finding in findings if not finding.success])
            counted = Rows(taken=sum(pin.rows for pin in self.inputs), given=rows.count())
            drifts = self._drifts(rows)
        finally:
            rows.unpersist()
        drifted = [self._drifted(name, index) for name, index in drifts.items() if index > self.drift_limit]
        if self.stop_on_drift:
            self._stop_at(drifted)
        return self._outcome(counted, findings, drifts, drifted)

    @property
    def subject(self) -> str:
        return f"{self.table} ds={', '.join(pin.ds for pin in self.inputs)}"

    def _rows(self, spark: SparkSession) -> DataFrame:
        first, *rest = [self.table.pinned(spark, pin) for pin in self.inputs]
        for frame in rest:
            first = first.unionByName(frame)
        return first

    def _stop_at(self, failed: list[str]) -> None:
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise GateFailed(f"{self.subject}: {failed[0]}{more}")

    def _drifts(self, rows: DataFrame) -> dict[str, float]:
        if self.profile is None:
            return {}
        return drift(rows, self.profile)

    def _drifted(self, name: str, index: float) -> str:
        return f"{name} has drifted from the training profile: stability index {index:.2f}, limit {self.drift_limit}"

    def _outcome(self, rows: Rows, findings: list[Finding], drifts: dict[str, float], drifted: list[str]) -> Outcome:
        compared = f"; {len(drifted)} of {len(drifts)} columns have drifted" if drifts else ""
        return Outcome(
            summary=f"{self.subject}: {len(findings)} expectations hold on {rows.given:,} rows{compared}",
            rows=rows,
            metrics={"expectations": len(findings), "drifted": len(drifted)},
            partitions=self.inputs,
            warnings=tuple(drifted),
            sections=(sections.judged(self.subject, f"{len(findings)} expectations hold", findings, drifts),),
        )
