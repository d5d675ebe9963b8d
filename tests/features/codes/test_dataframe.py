"""Neighbours by a Spark job are those of the arrays, for any partitioning and any blocks; nothing to find is no error."""

from typing import Any

import numpy as np
import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession

from features.codes.dataframe import Neighbours
from features.codes.hamming import Index
from tests.features.codes.test_hamming import some_codes

CODES = some_codes(120, 3, bits=0.15)
NAMES = np.array([f"cell-{number}" for number in np.random.default_rng(8).permutation(120)])
Row = tuple[Any, ...]


def frame(spark: SparkSession, keys: Any, codes: Any, kind: str) -> DataFrame:
    rows = [(key, bytes(code)) for key, code in zip(keys, codes, strict=True)]
    return spark.createDataFrame(rows, f"key {kind}, code binary")


def found(df: DataFrame) -> list[Row]:
    return sorted(tuple(row) for row in df.select("key", "rank", "neighbour", "distance").collect())


def by_arrays(keys: Any, queries: range, k: int) -> list[Row]:
    neighbours, distances = Index.of(keys, CODES).nearest(CODES[queries], k=k)
    ranked = zip(keys[queries].tolist(), neighbours.tolist(), distances.tolist(), strict=True)
    return sorted(
        (key, rank, *one) for key, *both in ranked for rank, one in enumerate(zip(*both, strict=True), start=1)
    )


@pytest.fixture(scope="module")
def index(spark: SparkSession) -> DataFrame:
    return frame(spark, NAMES.tolist(), CODES, "string").cache()


def test_it_is_the_search_of_arrays_for_any_partitioning(index: DataFrame) -> None:
    queries = index.where(index["key"].isin(NAMES[:20].tolist()))
    wanted = by_arrays(NAMES, range(20), 7)
    for partitions, index_block, query_block in ((1, 1 << 18, 1 << 10), (5, 10, 3)):
        neighbours = Neighbours(k=7, index_block=index_block, query_block=query_block)
        df = neighbours(queries.repartition(2), index.repartition(partitions))
        assert found(df) == wanted
    assert df.columns == ["key", "neighbour", "distance", "rank"]


def test_a_query_may_leave_itself_out(spark: SparkSession) -> None:
    keys = np.arange(120) * 5
    df = frame(spark, keys.tolist(), CODES, "long").repartition(3)
    with_it = by_arrays(keys, range(120), 120)
    wanted: dict[int, list[Row]] = {}
    for key, _, neighbour, distance in with_it:
        if key != neighbour:
            wanted.setdefault(key, []).append((neighbour, distance))
    rows = found(Neighbours(k=4, itself=False, index_block=50)(df, df))
    assert rows == sorted(
        (key, rank, *one) for key, ranked in wanted.items() for rank, one in enumerate(ranked[:4], start=1)
    )


def test_fewer_than_k_nulls_and_nothing(spark: SparkSession) -> None:
    few = frame(spark, [3, 1], CODES[:2], "int")
    holes = few.union(spark.createDataFrame([(4, None), (None, b"abc")], "key int, code binary"))
    distance = int(np.bitwise_count(CODES[0] ^ CODES[1]).sum())
    both = [(1, 1, 1, 0), (1, 2, 3, distance), (3, 1, 3, 0), (3, 2, 1, distance)]
    assert found(Neighbours(k=9)(holes, holes)) == both
    nothing = spark.createDataFrame([], few.schema)
    assert found(Neighbours(k=9)(few, nothing).union(Neighbours(k=9)(nothing, few))) == []


def test_what_is_no_code_is_refused(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Neighbours(k=0)
    one, other = frame(spark, [1], CODES[:1], "int"), frame(spark, [1], [b"ab"], "int")
    with pytest.raises(PythonException, match="queries of 3 bytes and an index of 2"):
        Neighbours(k=1)(one, other).collect()
