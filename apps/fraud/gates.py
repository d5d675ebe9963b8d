"""What must be true of the tables of card transactions before anybody may see them, beside their number of rows."""

from apps.fraud import columns
from infra.expectations import (
    Expectation,
    between,
    mean_between,
    not_null,
    one_of,
    schema,
    some_rows,
    unique,
)

BALANCE = (0.0001, 0.05)
"""Share of frauds in a day that is plausible; 0.0017 is usual."""


def transactions() -> list[Expectation]:
    return [
        *schema(columns.TRANSACTIONS.schema),
        some_rows(),
        unique(columns.KEY),
        *[not_null(name) for name in columns.TRANSACTIONS.schema.names],
        between("time_s", 0, None),
        between("amount", 0, 1_000_000),
        *[between(name, -1000, 1000) for name in columns.COMPONENTS],
        one_of(columns.LABEL, [0, 1]),
        mean_between(columns.LABEL, *BALANCE),
    ]


def features() -> list[Expectation]:
    return [
        *schema(columns.FEATURE_TABLE.schema),
        unique(columns.KEY),
        *[not_null(name) for name in columns.FEATURE_TABLE.schema.names],
        *[between(name, -1000, 1000) for name in columns.COMPONENTS],
        *[between(name, -1, 1) for name in ("day_sin", "day_cos")],
        *[between(name, -100, 100) for name in columns.ENGINEERED if name.startswith(("log_", "against_"))],
        *[between(name, 0, 1e12) for name in columns.ENGINEERED if name.startswith(("count_", "mean_"))],
    ]


def scores() -> list[Expectation]:
    return [
        *schema(columns.SCORES.schema),
        unique(columns.KEY),
        *[not_null(name) for name in columns.SCORES.schema.names],
        between("probability", 0, 1),
        one_of("decision", [0, 1]),
    ]
