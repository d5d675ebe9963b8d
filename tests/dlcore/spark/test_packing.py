"""What Spark packs as arrays becomes the tensors that the columns themselves would, and bad values keep their column's name."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dlcore.data.fields import Field, Tensors
from dlcore.data.layout import Layout
from dlcore.spark.packing import Packing
from dlcore.spark.writing import schema_of

FEATURES: Tensors = {
    "table": ["whole", "real", "small"],
    "again": Field("real"),
    "shop": "shop",
    "pair": Field(["small", "real"], shape=(2, 1)),
}


def table(spark: SparkSession, *values: str) -> tuple[Layout, Packing, pa.Table, pa.Table]:
    """The layout and packing of some rows, and the rows without and with it."""
    rows = " union all ".join(f"select {each}" for each in values)
    kinds = "cast(a as bigint) whole, cast(b as double) real, cast(c as float) small, d shop, e y"
    frame = spark.sql(f"select {kinds} from ({rows}) t(a, b, c, d, e)")
    layout = Layout.of(schema_of(frame), features=FEATURES, label=["y", "small"])
    packing = Packing.of(layout, frame.schema)
    return layout, packing, frame.toArrow(), frame.selectExpr(*packing.expressions).toArrow()


def test_the_tensors_are_those_of_the_columns(spark: SparkSession) -> None:
    layout, packing, plain, packed = table(spark, "16777217, 0.1, 1.5, 3, 1", "-1, 1e30, -0.0, 4, 0")
    assert {*packing.arrays.values()} == {("whole", "real", "small"), ("small", "real"), ("y", "small")}
    assert {"whole", "y", "small"}.isdisjoint(packed.column_names)
    expected, found = layout.cells(plain), packing.layout.cells(packed)
    assert expected.keys() == found.keys()
    for name, cells in expected.items():
        assert isinstance(cells, np.ndarray)
        assert cells.dtype == found[name].dtype
        np.testing.assert_array_equal(cells, found[name])


def test_a_shape_that_does_not_fit_is_refused_by_the_columns_names(spark: SparkSession) -> None:
    frame = spark.sql("select 1.5d a, 2.5d b, 1 y")
    layout = Layout.of(schema_of(frame), features=Field(["a", "b"], shape=(3,)), label="y")
    packing = Packing.of(layout, frame.schema)
    with pytest.raises(ValueError, match="column a, b must hold 3 elements a row"):
        packing.layout.cells(frame.selectExpr(*packing.expressions).toArrow())


@pytest.mark.parametrize("bad", ["null", "double('nan')", "double('-infinity')", "1e300"])
def test_bad_values_are_counted_by_column(spark: SparkSession, bad: str) -> None:
    layout, packing, plain, packed = table(spark, f"1, {bad}, 2, 3, 1", f"null, {bad}, 2, 3, 1", "1, 2, 2, 3, 1")
    assert packing.unusable(packed) == layout.unusable(plain) == {"whole": 1, "real": 2}
