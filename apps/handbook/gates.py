"""What must be true of a day of simulated transactions and of their features, beside their schema, keys and number of rows."""

from apps.handbook import columns
from infra.expectations import between, some_rows, unique
from pipelines.binary.tabular import Gates

RISKS = [name for name in columns.TERMINAL.columns if "_risk_" in name]

GATES = Gates(
    rows=(some_rows(), unique(columns.KEY), between("amount", 0, 100_000)),
    features=(
        unique(columns.KEY),
        *[between(name, 0, 1) for name in columns.FEATURES if name in ("weekend", "night", *RISKS)],
        *[between(name, -100, 100) for name in (*columns.AGAINST, *columns.RECENT)],
        *[between(name, 0, 1e9) for name in (*columns.FRAUDS, columns.BEFORE_WEEK)],
        between(columns.CHANGE, -1, 1),
        *[
            between(name, 0, 1e9)
            for name in columns.FEATURES
            if "_count_" in name or "_known_" in name or "_mean_" in name
        ],
    ),
)
