"""The columns of simulated card transactions: what the files bring, what the tables hold, and what the models see."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, StructField, StructType, TimestampType

from features import expressions
from features.expressions import DAY_S
from features.windows import Windows
from infra.tables.hive import Table
from pipelines.dated.labels import Labels

DATABASE = "handbook"
FIRST_DAY = date(2018, 4, 1)
LABEL = "fraud"
LABEL_DAYS = 7
"""How many days after a transaction its label has come."""

TYPES = {
    "transaction_id": LongType(),
    "time": TimestampType(),
    "customer_id": LongType(),
    "terminal_id": LongType(),
    "amount": DoubleType(),
}
LABEL_TYPES = {"transaction_id": LongType(), LABEL: IntegerType()}

SPANS = {"1d": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
CUSTOMER = Windows(time="time_s", amount="amount", spans=SPANS, entity=("customer_id",))
TERMINAL = Windows(
    time="time_s",
    amount=LABEL,
    unit=1.0,
    spans=SPANS,
    entity=("terminal_id",),
    delay_s=LABEL_DAYS * DAY_S,
    figures=("known", "risk"),
)
"""How many labels of a terminal had come, and which share of them were frauds."""

HISTORY_DAYS = -(-max(CUSTOMER.longest_s, TERMINAL.longest_s) // DAY_S)
BEFORE = frozenset(str(FIRST_DAY - timedelta(days=days)) for days in range(1, HISTORY_DAYS + 1))
"""Days of which there are no transactions, so that the first days' windows begin with them."""

AGAINST = {f"customer_id_against_{name}": name for name in SPANS}
"""An amount against the mean of the customer's windows."""

RECENT = {f"customer_id_recent_{name}": name for name in SPANS if name != "30d"}
"""The mean of a customer's last day or week against that of its month."""

FRAUDS = {f"terminal_id_frauds_{name}": name for name in SPANS}
"""How many of a terminal's known labels were frauds."""

BEFORE_WEEK, CHANGE = "terminal_id_frauds_before_7d", "terminal_id_risk_change"
"""Of a terminal, the frauds of its month that its week does not hold, and how the risk of its last known day differs from its week's."""

FEATURES = (
    *("amount", "weekend", "night", *CUSTOMER.columns, *TERMINAL.columns),
    *(*AGAINST, *RECENT, *FRAUDS, BEFORE_WEEK, CHANGE),
)
BINS = 12
"""Into how many bins networks see each feature cut."""

KEY = ("transaction_id",)
_FILE = [StructField("source_file", StringType()), StructField("source_line", LongType())]

TRANSACTIONS = Table(
    database=DATABASE,
    name="transactions",
    schema=StructType([*_FILE, *[StructField(name, kind) for name, kind in TYPES.items()]]),
    version=1,
)
LABEL_TABLE = Table(
    database=DATABASE,
    name="labels",
    schema=StructType([*_FILE, *[StructField(name, kind) for name, kind in LABEL_TYPES.items()]]),
    version=1,
)
LABELS = Labels(table=LABEL_TABLE, label=LABEL, on={"transaction_id": "transaction_id"}, delay_days=LABEL_DAYS)
FEATURE_TABLE = Table(
    database=DATABASE,
    name="features",
    schema=StructType(
        [
            *_FILE,
            *[StructField(name, LongType()) for name in ("transaction_id", "customer_id", "time_s")],
            *[StructField(name, DoubleType()) for name in FEATURES],
        ]
    ),
    version=3,
)


def rules(ds: str) -> dict[str, str]:
    """What a transaction of the day ``ds`` must obey: reason for refusing it -> SQL condition."""
    return {"the time is not of the day": f"to_date(time) = '{ds}'", "the amount is negative": "amount >= 0"}


def label_rules(ds: str) -> dict[str, str]:
    """What a label must obey."""
    return {"the label is neither 0 nor 1": f"{LABEL} IN (0, 1)"}


def engineered(rows: DataFrame) -> DataFrame:
    """Every column of the feature table, for transactions that come with their history and the labels that are known of it."""
    df = rows.withColumns(
        {
            "time_s": F.unix_seconds("time"),
            "weekend": (F.dayofweek("time").isin(1, 7)).cast("double"),
            "night": (F.hour("time") <= 6).cast("double"),
        }
    )
    df = TERMINAL(CUSTOMER(df))
    counted = {name: F.col(name).cast("double") for name in (*CUSTOMER.columns, *TERMINAL.columns)}
    return df.withColumns(customers() | terminals() | counted).withColumns(changes())


def customers() -> dict[str, Column]:
    """An amount, and what a customer spent of late, against what it spent before."""
    amounts = {
        name: expressions.against("amount", f"customer_id_mean_{span}", f"customer_id_count_{span}")
        for name, span in AGAINST.items()
    }
    means = {
        name: expressions.against(f"customer_id_mean_{span}", "customer_id_mean_30d", f"customer_id_count_{span}")
        for name, span in RECENT.items()
    }
    return amounts | means


def terminals() -> dict[str, Column]:
    """How many known frauds a terminal has had in each window: its share of them, times the labels that it is of."""
    return {
        name: F.round(F.col(f"terminal_id_known_{span}") * F.col(f"terminal_id_risk_{span}"))
        for name, span in FRAUDS.items()
    }


def changes() -> dict[str, Column]:
    """What has changed of a terminal between its windows."""
    change = F.col("terminal_id_risk_1d") - F.col("terminal_id_risk_7d")
    return {
        BEFORE_WEEK: F.col("terminal_id_frauds_30d") - F.col("terminal_id_frauds_7d"),
        CHANGE: F.when(F.col("terminal_id_known_1d") > 0, change).otherwise(F.lit(0.0)),
    }
