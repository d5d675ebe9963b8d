from collections.abc import Callable
from decimal import Decimal

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession

from infra.hbase.client import Address
from infra.hbase.keys import dated
from infra.hbase.service import Service
from infra.hbase.writing import Writer

SCHEMA = """key string, raw binary, text string, tiny tinyint, small smallint, whole int, large bigint, single float,
    double double, yes boolean, exact decimal(20,3)"""
ROWS = [
    (
        dated(f"2024-03-{1 + number % 3:02d}", f"p{number:03d}"),
        bytes([number % 256, 0, 39, 255]),
        f"it's {number % 7}",
        number % 200 - 100,
        (number - 100) * 300,
        (number - 100) * 20_000_000,
        (number - 100) * 2**55,
        number / 4,
        -number / 3,
        number % 2 == 0,
        Decimal(number - 100).scaleb(-3),
    )
    for number in range(200)
]
KNOWN = ("2024-03-01|p000", "2024-03-02|p001")


@pytest.fixture(scope="module")
def table(session: SparkSession, service: Service) -> str:
    """Two hundred rows of every type, of which each tenth has its key and text alone."""
    name, address = "typed", service.start()
    service.create(name, ("pictures", "results"), 4)
    written = Writer(address=address, table=name, family="results").write(frame(session))
    assert (written.rows, written.failed) == (200, 0)
    return name


def frame(spark: SparkSession) -> DataFrame:
    rows = [row if number % 10 else (row[0], None, row[2], *[None] * 8) for number, row in enumerate(ROWS)]
    return spark.createDataFrame(rows, SCHEMA)


@pytest.fixture
def read(session: SparkSession, address: Address, table: str) -> Callable[..., DataFrame]:
    def of(schema: str = SCHEMA, **options: object) -> DataFrame:
        settled = {"hosts": ",".join(address.hosts), "table": table, "family": "results"} | options
        return session.read.format("hbase").options(**settled).schema(schema).load()  # type: ignore[arg-type]

    return of


def sorted_rows(rows: DataFrame) -> list[Row]:
    return sorted(rows.collect(), key=lambda row: str(row.key))


def test_every_type_comes_back_as_it_was_written_and_absent_cells_as_null(
    session: SparkSession, read: Callable[..., DataFrame]
) -> None:
    assert sorted_rows(read()) == sorted_rows(frame(session))


def test_a_partition_a_region_or_as_many_as_it_is_split_into(read: Callable[..., DataFrame]) -> None:
    assert read().rdd.getNumPartitions() == 4
    split = read(splits=3, batch_bytes=100)
    assert split.rdd.getNumPartitions() == 12
    assert sorted_rows(split) == sorted_rows(read())


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"prefixes": "2024-03-02|"}, lambda key: key.startswith("2024-03-02|")),
        ({"prefixes": '["2024-03-02|", "2024-03", "2024-03-01|p00"]'}, lambda key: True),
        ({"prefixes": '["2024-03-01|p00", "2024-03-02|p01"]'}, lambda key: key[:14] in ("2024-03-01|p00", "2024-03-02|p01")),
        ({"start": "2024-03-02", "stop": "2024-03-03|p1"}, lambda key: "2024-03-02" <= key < "2024-03-03|p1"),
        ({"keys": '["2024-03-01|p000", "2024-03-02|p001", "2024-03-02|p000", "2024-03-01|p000"]'}, KNOWN.__contains__),
        ({"keys": "[]"}, lambda key: False),
        ({"prefixes": "2024-03-02|", "keys": '["2024-03-01|p000"]'}, lambda key: False),
    ],
)  # fmt: skip
def test_rows_are_chosen_by_keys_without_salt(
    read: Callable[..., DataFrame], options: dict[str, str], wanted: Callable[[str], bool]
) -> None:
    for splits in (1, 5):
        found = [row.key for row in read(splits=splits, **options).collect()]
        assert sorted(found) == sorted(row[0] for row in ROWS if wanted(row[0]))


PUSHED = [
    """text = "it's 3" """,
    """text in ("it's 3", "it's 5")""",
    """text like "it's 4%" """,
    """text > "it's 4" """,
    """text <= "it's 4" """,
    "raw = x'070027ff'",
    "raw >= x'64'",
    """whole is not null and text = "it's 0" """,
    *[f"tiny = {one}y" for one in (-99, 1, 99)],
    f"large in ({5 * 2**55}, {-7 * 2**55})",
    *[f"whole > {one * 20_000_000}" for one in (-50, 0, 50)],
    *[f"whole >= {one * 20_000_000}" for one in (-50, 0, 50)],
    *[f"small < {one * 300}s" for one in (-50, 0, 50)],
    *[f"large <= {one * 2**55}" for one in (-50, 0, 50)],
    "key = '2024-03-02|p001'",
    "key in ('2024-03-02|p001', '2024-03-01|p003', 'nobody')",
    "key like '2024-03-02%' and key >= '2024-03-02|p1'",
    "key > '2024-03-02|p001' and key <= '2024-03-03|p002' and whole > 0",
]
LEFT = [  # the last because a key is got by a call that takes no filter
    "text like '%3%'",
    "single = 2.25f",
    "double < -4.0",
    "yes",
    "exact > 0.002",
    "whole is null",
    """text = "it's 3" or whole > 0""",
    """text <> "it's 3" """,
    """key = '2024-03-02|p001' and text = "it's 2" """,
]


@pytest.mark.parametrize("condition", [*PUSHED, *LEFT])
def test_filters_choose_the_rows_that_spark_chooses(
    session: SparkSession, read: Callable[..., DataFrame], condition: str
) -> None:
    chosen = sorted_rows(read().where(condition))
    assert chosen == sorted_rows(frame(session).where(condition))
    assert chosen or "and text" in condition


@pytest.mark.parametrize("condition", PUSHED)
def test_what_hbase_can_choose_is_left_to_it(read: Callable[..., DataFrame], condition: str) -> None:
    rows = read().where(condition)
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert "BatchScan" in plan
    assert "Filter (" not in plan


def test_cells_of_several_families_and_their_times(read: Callable[..., DataFrame]) -> None:
    rows = read("key binary, `results:text` string, `pictures:jpeg` binary, `text@timestamp` timestamp").collect()
    assert len(rows) == 200
    assert {row["pictures:jpeg"] for row in rows} == {None}
    assert bytes(min(row.key for row in rows)) == b"2024-03-01|p000"
    times = read("text string, `text@timestamp` bigint").collect()
    assert 0 <= max(row["text@timestamp"] for row in times) - min(row["text@timestamp"] for row in times) < 600_000
    assert len({row["text@timestamp"].year for row in rows}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tabel": "t"}, "options of format hbase are .*; got tabel"),
        ({"table": "nobody"}, "HBase has no table 'nobody' at 127.0.0.1"),
        ({"family": ""}, "names no family"),
        ({"family": "nobody"}, "NoSuchColumnFamily"),
        ({"splits": 0}, "at least one part"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_cause(
    read: Callable[..., DataFrame], options: dict[str, object], message: str
) -> None:
    with pytest.raises(PySparkException, match=message):
        read(**options).collect()


def test_a_cell_of_another_type_is_named(read: Callable[..., DataFrame]) -> None:
    with pytest.raises(PySparkException, match="column 'text' does not hold int: a value must have 4 bytes, got 6"):
        read("key string, text int").collect()
