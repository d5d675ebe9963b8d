"""The columns of card transactions: what the files bring, what the tables hold, and what the models see."""

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType

from features import expressions
from features.windows import Windows
from infra.tables.hive import Table

DATABASE = "fraud"
ORIGIN = date(2013, 9, 1)
"""The day that begins with the first transaction, from which ``time_s`` counts."""

DAY_BEFORE = str(ORIGIN - timedelta(days=1))
"""Of which there are no transactions, so that the first day's windows begin with it."""

COMPONENTS = tuple(f"v{number}" for number in range(1, 29))
HEADER = {"Time": "time_s", **{name.upper(): name for name in COMPONENTS}, "Amount": "amount", "Class": "fraud"}
KEY = ("source_file", "source_line")
LABEL = "fraud"

SPANS = {"10m": 600, "1h": 3600, "1d": 86400}
WINDOWS = Windows(time="time_s", amount="amount", spans=SPANS)
ENGINEERED = (
    "log_amount",
    "day_sin",
    "day_cos",
    *[f"{figure}_{name}" for name in SPANS for figure in ("count", "mean", "against")],
)
FEATURES = (*COMPONENTS, "amount", *ENGINEERED)
"""What the feature table offers."""

MODEL_FEATURES = (*COMPONENTS, "log_amount", "day_sin", "day_cos")
"""What the models see: windows of the whole stream tell them the hour of their training days, not fraud (TRIED.md)."""


def _doubles(names: tuple[str, ...]) -> list[StructField]:
    return [StructField(name, DoubleType()) for name in names]


_KEY = [StructField("source_file", StringType()), StructField("source_line", LongType())]
_FRAUD = StructField(LABEL, IntegerType())
_TIME = StructField("time_s", LongType())

TRANSACTIONS = Table(
    database=DATABASE,
    name="transactions",
    schema=StructType([*_KEY, _TIME, *_doubles(COMPONENTS), *_doubles(("amount",)), _FRAUD]),
    version=1,
)
FEATURE_TABLE = Table(
    database=DATABASE, name="features", schema=StructType([*_KEY, _TIME, _FRAUD, *_doubles(FEATURES)]), version=1
)


def rules(ds: str) -> dict[str, str]:
    """What a transaction of the day ``ds`` must obey: reason for refusing it -> SQL condition."""
    begin = (date.fromisoformat(ds) - ORIGIN).days * expressions.DAY_S
    return {
        "Time is outside of the day": f"time_s >= {begin} AND time_s < {begin + expressions.DAY_S}",
        "Amount is negative": "amount >= 0",
        "Class is neither 0 nor 1": "fraud IN (0, 1)",
    }


def engineered(transactions: DataFrame) -> DataFrame:
    """Every column of the feature table, for transactions that come with the day before them."""
    sine, cosine = expressions.on_the_circle("time_s")
    df = WINDOWS(transactions).withColumns(
        {"log_amount": expressions.log_amount("amount"), "day_sin": sine, "day_cos": cosine}
    )
    return reduce(_relative, SPANS, df)


def _relative(df: DataFrame, name: str) -> DataFrame:
    against = expressions.against("amount", f"mean_{name}", f"count_{name}")
    return df.withColumns({f"against_{name}": against, f"count_{name}": F.col(f"count_{name}").cast("double")})
