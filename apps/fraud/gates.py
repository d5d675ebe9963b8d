"""What must be true of a day of card transactions and of their features, beside their schema, keys and number of rows."""

from apps.fraud import columns
from infra.expectations import between, mean_between, one_of, some_rows
from pipelines.binary.tabular import Gates

MOST_FRAUDS = 0.05
"""Share of frauds in a day above which it is not plausible; 0.0017 is usual, and a day may have none: only training needs some."""

_COMPONENTS = [between(name, -1000, 1000) for name in columns.COMPONENTS]

GATES = Gates(
    rows=(
        some_rows(),
        between("time_s", 0, None),
        between("amount", 0, 1_000_000),
        *_COMPONENTS,
        one_of(columns.LABEL, [0, 1]),
        mean_between(columns.LABEL, 0, MOST_FRAUDS),
    ),
    features=(
        *_COMPONENTS,
        *[between(name, -1, 1) for name in ("day_sin", "day_cos")],
        *[between(name, -100, 100) for name in columns.ENGINEERED if name.startswith(("log_", "against_"))],
        *[between(name, 0, 1e12) for name in columns.ENGINEERED if name.startswith(("count_", "mean_"))],
    ),
)
