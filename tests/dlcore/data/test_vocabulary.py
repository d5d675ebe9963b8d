"""Vocabulary: the same from every kind of data, the most frequent first, and zero for what it does not hold."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from dlcore import Vocabulary
from dlcore.data.cells import numbered

WORDS = ["b", "é", "a", "b", None, "z", "é", "b", "a"]


def test_every_kind_of_data_gives_the_same(spark: SparkSession, tmp_path: Path) -> None:
    table = pa.table({"word": WORDS})
    pd.DataFrame({"word": WORDS}).to_parquet(tmp_path / "rows.parquet")
    frame = spark.createDataFrame([(word,) for word in WORDS], "word string")
    arrays = pa.table({"word": [WORDS[:4], WORDS[4:], []]})
    for data in (table, table.to_pandas(), ds.dataset(tmp_path / "rows.parquet"), frame, arrays):
        assert Vocabulary.of(data, "word") == Vocabulary(("b", "a", "é", "z"))
    assert Vocabulary.of(frame, "word", most=2) == Vocabulary.of(table, "word", most=2) == Vocabulary(("b", "a"))


def test_zero_is_the_unknown_and_null() -> None:
    known = Vocabulary(("b", "a"))
    assert numbered(pa.array(WORDS), known.words).tolist() == [1, 0, 2, 1, 0, 0, 0, 1, 2]
    assert numbered(pa.array([7, 8, None]), ("8",)).tolist() == [0, 1, 0]
    assert len(known) == 3


def test_a_word_twice_and_a_missing_column_are_named() -> None:
    with pytest.raises(ValueError, match=r"each word once, got \['a'\]"):
        Vocabulary(("a", "b", "a"))
    with pytest.raises(ValueError, match=r"x is not among \['word'\]"):
        Vocabulary.of(pa.table({"word": WORDS}), "x")
