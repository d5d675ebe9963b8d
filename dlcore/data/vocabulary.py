"""The words of a text column and their numbers, so that an embedding can take them."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dlcore.data.cells import element, is_list
from dlcore.data.sources import is_dataset, is_frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds
    from pyspark.sql import DataFrame

MOST = 65_536


@dataclass(frozen=True)
class Vocabulary:
    """``words`` are numbered from one; zero stands for every other word and for null.

    So ``nn.Embedding(len(vocabulary), width)`` fits, and a word first seen in scoring trains and scores as the unknown.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.words)) != len(self.words):
            twice = [word for word, count in Counter(self.words).items() if count > 1]
            raise ValueError(f"Vocabulary.words must name each word once, got {twice[:5]} more than once")

    def __len__(self) -> int:
        return len(self.words) + 1

    @classmethod
    def of(
        cls, data: "DataFrame | ds.Dataset | pa.Table | pd.DataFrame", column: str, *, most: int = MOST
    ) -> "Vocabulary":
        """The ``most`` frequent words of a column or of its arrays, the most frequent first, equals in the order of their bytes."""
        names = data.schema.names if is_dataset(data) else list(data.columns)
        if isinstance(data, pa.Table):
            names = data.column_names
        if column not in names:
            raise ValueError(f"a vocabulary must be of a column of the data, {column} is not among {names}")
        counted = _counted_by_spark if is_frame(data) else _counted
        return cls(tuple(counted(data, column, most)))


def _counted_by_spark(frame: "DataFrame", column: str, most: int) -> list[str]:
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType

    cell = F.col(f"`{column}`")
    words = F.explode(cell) if isinstance(frame.schema[column].dataType, ArrayType) else cell
    counted = frame.select(words.cast("string").alias("word")).where("word is not null").groupBy("word").count()
    return [row.word for row in counted.orderBy(F.desc("count"), "word").limit(most).collect()]


def _counted(data: "ds.Dataset | pa.Table | pd.DataFrame", column: str, most: int) -> list[str]:
    import pyarrow.dataset as ds

    if not isinstance(data, ds.Dataset):
        data = ds.dataset(
            data if isinstance(data, pa.Table) else pa.Table.from_pandas(data[[column]], preserve_index=False)
        )
    counts: Counter[str] = Counter()
    for batch in data.to_batches(columns=[column]):
        values = batch.column(0)
        words = values.flatten() if is_list(values.type) else values
        found = pc.value_counts(words.cast(element(words.type)).cast(pa.large_string()).drop_null())
        counts.update(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))
    return sorted(counts, key=lambda word: (-counts[word], word.encode()))[:most]
