"""What must be true of the tables of card transactions before the next step may work on them."""

from apps.fraud import columns
from infra.expectations import (
    Expectation,
    between,
    mean_between,
    not_null,
    one_of,
    row_count,
    schema,
    some_rows,
    unique,
)

BALANCE = (0.0001, 0.05)
"""Share of frauds in a day that is plausible; 0.0017 is usual."""


def transactions(rows: int) -> list[Expectation]:
    """``rows`` is what ingest says it let in."""
    return [
        *schema(columns.TRANSACTIONS.schema),
        some_rows(),
        row_count(rows),
        unique(columns.KEY),
        *[not_null(name) for name in columns.TRANSACTIONS.schema.names],
        between("time_s", 0, None),
        between("amount", 0, 1_000_000),
        *[between(name, -1000, 1000) for name in columns.COMPONENTS],
        one_of(columns.LABEL, [0, 1]),
        mean_between(columns.LABEL, *BALANCE),
    ]


def features(rows: int) -> list[Expectation]:
    """``rows`` is how many transactions there are."""
    return [
        *schema(columns.FEATURE_TABLE.schema),
        row_count(rows),
        unique(columns.KEY),
        *[not_null(name) for name in columns.FEATURE_TABLE.schema.names],
        *[between(name, -1000, 1000) for name in columns.COMPONENTS],
        *[between(name, -1, 1) for name in ("day_sin", "day_cos")],
        *[between(name, -100, 100) for name in columns.ENGINEERED if name.startswith(("log_", "against_"))],
        *[between(name, 0, 1e12) for name in columns.ENGINEERED if name.startswith(("count_", "mean_"))],
    ]


def scores(rows: int) -> list[Expectation]:
    """``rows`` is how many rows of features there were to score."""
    return [
        *schema(columns.SCORES.schema),
        row_count(rows),
        unique(columns.KEY),
        *[not_null(name) for name in columns.SCORES.schema.names],
        between("probability", 0, 1),
        one_of("decision", [0, 1]),
    ]
