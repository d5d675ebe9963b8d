"""The description of an application that classifies dated rows: all that is the application's own, in one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pyspark.sql import DataFrame
from pyspark.sql.types import DoubleType, IntegerType, StringType, StructField, StructType

from infra.tables.hive import Table
from pipelines.binary.frames.roles import Roles, Words

if TYPE_CHECKING:
    from pyspark.ml import Pipeline

    from infra.expectations import Expectation
    from pipelines.binary.models.fitting import Fitting
    from pipelines.dated.labels import Labels
    from pipelines.dated.landing import Landing
    from pipelines.dated.source import HiveSource


@dataclass(frozen=True, kw_only=True)
class Files:
    """Landing files below ``APP/ds=DATE``: ``header`` maps their columns, in their order, to the table's.

    ``rules`` gives for a date what its rows must obey to be let in: reason for refusing a row -> SQL condition. ``repeats`` says
    what becomes of rows whose values another file of the date has. ``null`` is the text that stands for no value, as an empty
    field does.
    """

    header: Mapping[str, str]
    rules: Callable[[str], Mapping[str, str]]
    repeats: Literal["keep", "refuse"] = "refuse"
    null: str = ""

    def of(self, landing: str, app: str, ds: str) -> Landing:
        """What was delivered for a date."""
        from pipelines.dated.landing import Landing

        return Landing(root=landing, folder=f"{app}/ds={ds}")


@dataclass(frozen=True, kw_only=True)
class OtherTable:
    """The Hive ``table`` of another team, whose partitions ``span(date)``, the first to the last, hold the rows of a date.

    ``partition`` is the column that it is partitioned by; ``header`` maps its columns to the table's; the rest is as of files.
    """

    table: str
    partition: str
    header: Mapping[str, str]
    rules: Callable[[str], Mapping[str, str]]
    span: Callable[[str], tuple[str, str]] = lambda ds: (ds, ds)
    repeats: Literal["keep", "refuse"] = "keep"
    null: ClassVar[str] = ""

    def of(self, landing: str, app: str, ds: str) -> HiveSource:
        """What its partitions of a date hold."""
        from pipelines.dated.source import HiveSource

        first, last = self.span(ds)
        return HiveSource(table=self.table, partition=self.partition, first=first, last=last)


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What must be true of the rows and of the features of a date, beside their schema, keys and number of rows."""

    rows: tuple[Expectation, ...]
    features: tuple[Expectation, ...]


@dataclass(frozen=True, kw_only=True)
class Tabular:
    """Rows of a source become rows of a table, features, members of an ensemble, and scores.

    ``transform`` maps rows to features, given ``history_days`` of rows before each date, of which all must be there but for
    ``gaps``, days without rows, which no training asks for; ``model_features`` are those that models see. With a ``pipeline`` of
    Spark ML they may be columns that it makes; it is fitted on training rows. Columns of ``nullable`` may be null. A member's bag
    has each positive ``oversample`` times on average (None: once), each negative with chance ``undersample``. ``review_cost`` is
    what looking at one flagged row costs, beside the value of a missed positive. Networks whose settings have ``bins`` need the
    app's: each feature is cut into so many where the label changes.

    Labels stand in the rows, or come later, in a table of their own, ``labels``: then features and scores need none, and a
    training takes the rows that have one. Who fills it is another team, or a step of the app's own: ``label_files`` are what lands
    below ``APP_labels``, for each day those of the day that ``labels.delay_days`` lie before it.

    ``baselines`` are the settings that trials found for XGBoost ("xgboost") and histogram boosting ("histogram").

    ``gates`` and ``fitting`` are functions, since what they import takes seconds that few steps need. The parameters of a run that
    steps read are first_date, last_date, members, epochs, batch, workers, seed, model, search, int8_bound and stop_on_drift.
    """

    name: str
    title: str
    source: Files | OtherTable
    rows: Table
    features: Table
    roles: Roles
    gates: Callable[[], Gates]
    transform: Callable[[DataFrame], DataFrame]
    history_days: int
    model_features: tuple[str, ...]
    fitting: Callable[[], Fitting]
    gaps: frozenset[str] = frozenset()
    pipeline: Callable[[], Pipeline] | None = None
    nullable: frozenset[str] = frozenset()
    oversample: float | None = 5.0
    undersample: float = 0.25
    review_cost: float = 0.1
    bins: int = 0
    labels: Labels | None = None
    label_files: Files | None = None
    baselines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    words: Words = field(default_factory=Words)

    def __post_init__(self) -> None:
        if self.label_files and (self.labels is None or self.labels.delay_days is None):
            raise ValueError(f"label_files of {self.name} need labels that have delay_days, got {self.labels}")
        made = set() if self.pipeline is None else set(self.model_features)
        needed = {*self.roles.kept, *self.model_features} - made
        if self.labels:
            self._refuse_other_labels(self.labels)
            needed.discard(self.labels.label)
        if lacking := sorted(needed - set(self.features.schema.names)):
            raise ValueError(
                f"the table {self.features} must have the columns of roles and model_features, lacking {lacking}"
            )
        if lacking := sorted(set(self.source.header.values()) - set(self.rows.schema.names)):
            raise ValueError(f"the table {self.rows} must have the columns of the source's header, lacking {lacking}")

    def _refuse_other_labels(self, labels: Labels) -> None:
        """A label stands in one place, under one name."""
        if labels.label != self.roles.label:
            raise ValueError(
                f"labels must have the label of roles, {self.roles.label}, got {labels.label} of {labels.table}"
            )
        if labels.label in self.features.schema.names:
            raise ValueError(
                f"{labels.label} comes from {labels.table} and must be no column of {self.features} too; drop it there, "
                "or leave labels out"
            )
        if lacking := sorted(labels.on.keys() - set(self.features.schema.names)):
            raise ValueError(
                f"the table {self.features} must have the columns of rows that labels of {labels.table} go by, lacking {lacking}"
            )

    @property
    def quarantine(self) -> Table:
        """The rows that were refused, with why."""
        return self.refused(self.rows)

    def refused(self, table: Table) -> Table:
        """What of ``table``'s deliveries was refused, with why."""
        texts = [StructField("reason", StringType()), StructField("raw", StringType())]
        return Table(
            database=table.database,
            name=f"{table.name}_quarantine",
            schema=StructType([*self._key(table), *texts]),
            version=1,
        )

    @property
    def scores(self) -> Table:
        """A probability and a decision for each row of features, and the model that gave them."""
        given = [
            StructField("probability", DoubleType()),
            StructField("decision", IntegerType()),
            StructField("model_version", StringType()),
        ]
        schema = StructType([*self._key(self.features), *given])
        return Table(database=self.features.database, name="scores", schema=schema, version=1)

    def _key(self, table: Table) -> list[StructField]:
        return [table.schema[name] for name in self.roles.key]
