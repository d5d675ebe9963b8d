"""A Spark ML Pipeline by which features become numbers: fitted on training rows alone, kept in Spark's own format, applied by this code.

Imputation, indexing of strings, bucketing, scaling: any stages will do whose models Spark can save. In training, in scoring and
where a champion is measured again, rows go through ``Prepared.applied``, so that all see the same numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dlcore import Artifact
from infra.tables import hadoop

FILES = "preparation"
"""Where an artifact keeps the fitted pipeline."""

MakesPipeline = Callable[[], Pipeline]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A fitted pipeline in ``folder``; ``sizes`` maps each column that models see to the length of its vector, 0 for a number."""

    folder: Path
    sizes: Mapping[str, int]

    @classmethod
    def fit(cls, pipeline: Pipeline, train: DataFrame, columns: tuple[str, ...], into: Path) -> "Prepared":
        """Fit ``pipeline`` on the training rows and save it; ``columns``, of the rows or made by it, are what models see."""
        fitted = pipeline.fit(train)
        fitted.write().overwrite().save(hadoop.uri(into))
        first = fitted.transform(train).select(*columns).first()
        if first is None:
            raise ValueError("a preparation is fitted on at least one row, got none")
        return cls(folder=into, sizes={name: _size(first[name]) for name in columns})

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that models see, a vector as one column an element."""
        return tuple(name for column, size in self.sizes.items() for name in _elements(column, size))

    def applied(self, rows: DataFrame) -> DataFrame:
        """``rows`` with ``features`` added; what the pipeline makes of a row depends on that row alone."""
        made = PipelineModel.load(hadoop.uri(self.folder)).transform(rows)
        vectors = [name for name in self.sizes if isinstance(made.schema[name].dataType, VectorUDT)]
        columns: dict[str, Any] = {}
        for name, size in self.sizes.items():
            if name in vectors:
                columns |= {each: vector_to_array(F.col(name))[at] for at, each in enumerate(_elements(name, size))}
            else:
                columns[name] = F.col(name).cast("double")
        kept = [name for name in made.columns if name in rows.columns and name not in columns]
        return made.select(*kept, *[column.alias(name) for name, column in columns.items()])


def of(artifact: Artifact, scratch: Path) -> Prepared | None:
    """The preparation that an artifact holds, laid out below ``scratch``, which executors must see; None: it holds none."""
    sizes = artifact.details.get("sizes")
    if not sizes:
        return None
    return Prepared(folder=artifact.extract(FILES, scratch / artifact.id), sizes=sizes)


def _size(value: Any) -> int:
    return len(value) if hasattr(value, "toArray") else 0


def _elements(column: str, size: int) -> list[str]:
    return [f"{column}_{at}" for at in range(size)] if size else [column]
