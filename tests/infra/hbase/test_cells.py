import math
from decimal import Decimal

import pyarrow as pa
import pytest
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from infra.hbase.cells import Column, Layout, decode, encode

# What org.apache.hadoop.hbase.util.Bytes makes of the values.
JAVA = [
    (T.ByteType(), -1, b"\xff"),
    (T.ShortType(), -2, b"\xff\xfe"),
    (T.IntegerType(), 258, b"\x00\x00\x01\x02"),
    (T.LongType(), -(2**63), b"\x80" + bytes(7)),
    (T.FloatType(), 1.0, b"\x3f\x80\x00\x00"),
    (T.DoubleType(), -2.0, b"\xc0" + bytes(7)),
    (T.BooleanType(), True, b"\xff"),
    (T.StringType(), "é", b"\xc3\xa9"),
    (T.BinaryType(), b"\x00\xff", b"\x00\xff"),
    (T.DecimalType(38, 2), Decimal("-1.28"), b"\x00\x00\x00\x02\x80"),
    (T.DecimalType(38, 2), Decimal("1.28"), b"\x00\x00\x00\x02\x00\x80"),
]


@pytest.mark.parametrize(
    ("kind", "value", "raw"), JAVA, ids=lambda one: str(one) if isinstance(one, T.DataType) else ""
)
def test_a_value_is_what_javas_bytes_make_of_it_both_ways(kind: T.DataType, value: object, raw: bytes) -> None:
    arrow = to_arrow_type(kind)
    array = pa.array([value, None, value], arrow)
    assert encode(array, kind) == [raw, None, raw]
    assert decode([raw, None, raw], kind, arrow).equals(array)
    assert encode(array[:0], kind) == []
    assert len(decode([], kind, arrow)) == 0


def test_a_decimal_of_38_digits_loses_none() -> None:
    kind = T.DecimalType(38, 10)
    array = pa.array([Decimal("-1234567890123456789012345678.0123456789")], to_arrow_type(kind))
    assert decode(encode(array, kind), kind, array.type).equals(array)


def test_not_a_number_stays_one() -> None:
    (value,) = decode(encode(pa.array([math.nan]), T.DoubleType()), T.DoubleType(), pa.float64()).to_pylist()
    assert math.isnan(value)


def test_a_value_of_another_width_is_refused_with_what_it_is() -> None:
    with pytest.raises(ValueError, match=r"must have 4 bytes, got 3: b'abc'"):
        decode([b"abc"], T.IntegerType(), pa.int32())
    with pytest.raises(ValueError, match="more than 4 bytes"):
        decode([b"abc"], T.DecimalType(10, 2), pa.decimal128(10, 2))


def test_a_field_names_its_cell_with_its_family_or_in_the_default_one() -> None:
    schema = (
        T.StructType()
        .add("key", "string")
        .add("results:label", "string")
        .add("jpeg", "binary")
        .add("jpeg@timestamp", "timestamp")
    )
    layout = Layout(schema=schema, family="pictures")
    assert layout.cells == (b"results:label", b"pictures:jpeg")
    assert [column.time for column in layout.columns.values()] == [False, False, True]


def test_schemas_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="names no family; write it as family:jpeg"):
        Column.of(T.StructField("jpeg", T.BinaryType()), "")
    with pytest.raises(TypeError, match=r"must be one of binary, .*, string, got date"):
        Column.of(T.StructField("a:b", T.DateType()), "")
    with pytest.raises(TypeError, match="must be one of long, timestamp, got string"):
        Column.of(T.StructField("a:b@timestamp", T.StringType()), "")
    with pytest.raises(TypeError, match="`key` must be string or binary, got bigint"):
        Layout(schema=T.StructType().add("key", "long").add("a:b", "string"))
    with pytest.raises(ValueError, match="at least one column besides `key`"):
        Layout(schema=T.StructType().add("key", "string"))
