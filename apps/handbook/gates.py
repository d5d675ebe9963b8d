"""What must be true of a day of simulated transactions and of their features, beside their schema, keys and number of rows."""

from apps.handbook import columns
from infra.expectations import between, some_rows, unique
from pipelines.binary.tabular import Gates

SHARES = ("weekend", "night", *[name for name in columns.TERMINAL.columns if "_risk_" in name])
RATIOS = (*columns.AGAINST, *columns.RECENT)
NOT_NEGATIVE = sorted({*columns.FEATURES} - {*SHARES, *RATIOS, columns.CHANGE})
"""Amounts, means, and numbers of rows and frauds."""

GATES = Gates(
    rows=(some_rows(), unique(columns.KEY), between("amount", 0, 100_000)),
    features=(
        unique(columns.KEY),
        *[between(name, 0, 1) for name in SHARES],
        *[between(name, -100, 100) for name in RATIOS],
        *[between(name, 0, 1e9) for name in NOT_NEGATIVE],
        between(columns.CHANGE, -1, 1),
    ),
)
