"""Numbers that travel as arrays make the tensors that the columns themselves would, and come back as the columns that they were."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StructField, StructType

from dlcore.data.fields import Field, Tensors
from dlcore.data.layout import Layout
from dlcore.spark.packing import Packing
from dlcore.spark.writing import schema_of

FEATURES: Tensors = {
    "table": ["whole", "real", "small", "third"],
    "again": Field("real"),
    "shop": "shop",
    "pair": Field(["small", "real"], shape=(2, 1)),
    "reals": ["second", "third", "real"],
}
KINDS = (
    "cast(a as bigint) whole, cast(b as double) real, cast(c as float) small, d shop, e y, double(c) second, cast(d as double) third, "
    "cast(e as double) fourth, string(a) word"
)


def frame(spark: SparkSession, *values: str) -> DataFrame:
    rows = " union all ".join(f"select {each}" for each in values)
    return spark.sql(f"select {KINDS} from ({rows}) t(a, b, c, d, e)")


def tables(rows: DataFrame) -> tuple[Layout, Packing, pa.Table, pa.Table]:
    """The layout and packing of some rows, and the rows without and with it."""
    layout = Layout.of(schema_of(rows), features=FEATURES, label=["y", "small"])
    packing = Packing.of(rows.schema, first=layout.columns)
    return layout, packing, rows.toArrow(), packing.packed(rows).toArrow()


def same(layout: Layout, plain: pa.Table, packing: Packing, packed: pa.Table) -> None:
    expected, found = layout.cells(plain), layout.usable_cells(packing.arrays.opened(packed))
    assert found is not None
    assert expected.keys() == found.keys()
    for name, cells in expected.items():
        assert isinstance(cells, np.ndarray)
        assert cells.dtype == found[name].dtype
        np.testing.assert_array_equal(cells, found[name])


def test_the_tensors_are_those_of_the_columns(spark: SparkSession) -> None:
    layout, packing, plain, packed = tables(frame(spark, "16777217, 0.1, 1.5, 3, 1", "-1, 1e30, -0.0, 4, 0"))
    assert [*packing.arrays.columns.values()] == [("real", "third", "second", "fourth")]
    assert {"whole", "y", "small", "word"} < {*packed.column_names}
    same(layout, plain, packing, packed)


def test_what_lies_side_by_side_in_arrays_of_several_types_is_taken_from_each(spark: SparkSession) -> None:
    rows = spark.range(50).selectExpr(
        *(f"sin(id + {at}) d{at}" for at in range(4)), *(f"int(id) i{at}" for at in range(4))
    )
    layout = Layout.of(schema_of(rows), features=["d3", "i0", "d1", "i1", "i2", "d0"])
    packing = Packing.of(rows.schema)
    assert [*packing.arrays.columns.values()] == [("d0", "d1", "d2", "d3"), ("i0", "i1", "i2", "i3")]
    same(layout, rows.toArrow(), packing, packing.packed(rows).toArrow())


@pytest.mark.parametrize("bad", ["null", "double('nan')", "double('-infinity')", "1e300"])
def test_bad_values_are_counted_by_column(spark: SparkSession, bad: str) -> None:
    rows = frame(spark, f"1, {bad}, 2, 3, 1", f"null, {bad}, 2, 3, 1", "1, 2, 2, 3, 1")
    layout, packing, plain, packed = tables(rows)
    opened = packing.arrays.opened(packed)
    assert layout.usable_cells(opened) is None
    assert layout.unusable(opened) == layout.unusable(plain) == {"whole": 1, "real": 2}


@pytest.mark.parametrize("ansi", ["true", "false"])
def test_columns_come_back_as_they_were(spark: SparkSession, ansi: str) -> None:
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        rows = frame(spark, "1, null, 1.5, 3, 1", "2, double('nan'), 2.5, 4, 0").select(
            F.lit(1.5).alias("a.`b"), "*", *[F.rand(seed).alias(f"drawn{seed}") for seed in range(3)]
        )
        packing = Packing.of(rows.schema)
        assert "a.`b" in packing.arrays.places
        back = packing.unpacked(packing.packed(rows).withColumn("more", F.lit("x")))
        assert back.drop("more").schema == rows.schema
        assert back.columns[-1] == "more"
        expected: pd.DataFrame = rows.toPandas()
        pd.testing.assert_frame_equal(back.drop("more").toPandas(), expected)
    finally:
        spark.conf.unset("spark.sql.ansi.enabled")


def test_columns_that_an_array_cannot_give_back_travel_as_they_are(spark: SparkSession) -> None:
    told = StructType([StructField(name, DoubleType(), metadata={"unit": "m"}) for name in "abcd"])
    assert not Packing.of(told).arrays.columns
    alike = StructType([StructField(name, DoubleType()) for name in ("a", "b", "A", "c", "d")])
    assert not Packing.of(alike).arrays.columns
    ours = StructType([StructField(name, DoubleType()) for name in ("a", "b", "c", "d")])
    assert [*Packing.of(ours, added=["e"]).arrays.columns.values()] == [("a", "b", "c", "d")]
    for added in ("A", "__array_0"):
        assert not Packing.of(ours, added=[added]).arrays.columns
