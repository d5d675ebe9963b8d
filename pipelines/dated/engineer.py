"""Rows into features, for training and scoring alike: both read what this step writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.storagelevel import StorageLevel

from infra.tables.hive import Draft, Partition, Table
from pipelines.dated.judge import Judge, drafting, settled
from pipelines.dated.labels import Labels
from pipelines.dated.stale import MISSING, source_key, stale
from pipelines.outcome import Outcome, Rows


class MissingHistory(LookupError):
    """A date that windows look back on, or its labels, are not there: features would count too little."""


@dataclass(frozen=True, kw_only=True)
class Engineer:
    """Replace the partitions of ``table`` for the pinned ``inputs`` of ``source``.

    ``transform`` maps rows to features, whom ``judge`` judges date by date; it is given ``history_days`` of rows before each date
    too, so that a date's features do not depend on which other dates are made with it. Every date looked back on must be there,
    but for ``gaps``: the days of which there are no rows, such as the one before the first, or any day ("allow"). What each date
    was made from is kept with it, gaps too: the date is stale once one of these has other rows.

    With ``labels`` rows come with their label, null where there is none: those of the dates that are ``labels.delay_days`` before a
    date, or more, must be there. A transform may look back by no less than that, so that no feature sees what was not known.
    """

    source: Table
    table: Table
    inputs: tuple[Partition, ...]
    transform: Callable[[DataFrame], DataFrame]
    judge: Judge
    history_days: int
    run_id: str
    gaps: frozenset[str] | Literal["allow"] = frozenset()
    labels: Labels | None = None

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ValueError("Engineer.inputs needs at least one partition, got none")
        if self.history_days < 0:
            raise ValueError(f"Engineer.history_days must not be negative, got {self.history_days}")

    def run(self, spark: SparkSession) -> Outcome:
        history = self._history(spark)
        made_of = {pin.ds: pin for pin in [*history, *self.inputs]}
        rows = reduce(DataFrame.unionByName, [self.source.pinned(spark, pin) for pin in made_of.values()])
        known = self._known(spark, made_of)
        if self.labels is not None:
            rows = self.labels.joined(rows, self.labels.of(spark, known.values()))
        with drafting() as drafts:
            self._stage(self.transform(rows), drafts, made_of, known)
            outcome, judgements = self._outcome(drafts, history), [self.judge.draft(draft) for draft in drafts]
        return self._with_stale(spark, settled(outcome, drafts, judgements))

    def _history(self, spark: SparkSession) -> list[Partition]:
        """The dates that the windows of ours reach back to, and that are not ours."""
        present, ours = set(self.source.dates(spark)), {pin.ds for pin in self.inputs}
        for ds in sorted(ours):
            missing = [day for day in self._before(ds) if day not in present | ours]
            if self.gaps != "allow" and (unknown := [day for day in missing if day not in self.gaps]):
                raise MissingHistory(
                    f"{self.source} has no rows of {', '.join(unknown)}, on which the features of {ds} look back; "
                    "ingest these dates first, or state them as gaps"
                )
        reached = {day for ds in ours for day in self._before(ds)}
        return [self.source.current(spark, ds) for ds in sorted(reached & present - ours)]

    def _known(self, spark: SparkSession, made_of: Mapping[str, Partition]) -> dict[str, Partition]:
        """The labels that features of our dates look back on, by date."""
        if self.labels is None:
            return {}
        needed = sorted({day for pin in self.inputs for day in self._labelled(pin.ds) if day in made_of})
        return {pin.ds: pin for pin in self.labels.current(spark, needed)}

    def _labelled(self, ds: str) -> list[str]:
        """The dates before ``ds`` whose labels are known on it."""
        return [day for day in self._before(ds) if self.labels and day <= self.labels.known_on(ds)]

    def _before(self, ds: str) -> list[str]:
        return [str(date.fromisoformat(ds) - timedelta(days=days)) for days in range(self.history_days, 0, -1)]

    def _stage(
        self,
        features: DataFrame,
        drafts: list[Draft],
        made_of: Mapping[str, Partition],
        known: Mapping[str, Partition],
    ) -> None:
        """Write each date's features as a draft; what they are made of is worked out once."""
        spark, features = features.sparkSession, features.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            for pin in self.inputs:
                days = [*self._before(pin.ds), pin.ds]
                prints = {day: made_of[day].fingerprint if day in made_of else MISSING for day in days}
                inputs = {source_key(self.source, day): found for day, found in prints.items()}
                inputs |= self._labels_of(pin.ds, known)
                rows = features.where(features["ds"] == pin.ds)
                drafts.append(self.table.stage(spark, rows, ds=pin.ds, run=self.run_id, inputs=inputs))
        finally:
            features.unpersist()

    def _labels_of(self, ds: str, known: Mapping[str, Partition]) -> dict[str, str]:
        """The fingerprints of the labels that features of a date are made of, as a snapshot keeps them."""
        if self.labels is None:
            return {}
        return {
            source_key(self.labels.table, day): known[day].fingerprint for day in self._labelled(ds) if day in known
        }

    def _outcome(self, drafts: list[Draft], history: list[Partition]) -> Outcome:
        rows = Rows(taken=sum(pin.rows for pin in self.inputs), given=sum(draft.partition.rows for draft in drafts))
        reached = f", with {', '.join(pin.ds for pin in history)} as history" if history else ""
        return Outcome(summary=f"{self.table}: {rows}, on {len(drafts)} dates{reached}", rows=rows)

    def _with_stale(self, spark: SparkSession, outcome: Outcome) -> Outcome:
        """Warn of later dates that look back on ours and were made before."""
        ours = [date.fromisoformat(pin.ds) for pin in self.inputs]
        later = {str(day + timedelta(days=days)) for day in ours for days in range(1, self.history_days + 1)}
        found = stale(spark, source=self.source, table=self.table, dates=later)
        return outcome.warned(found.values())
