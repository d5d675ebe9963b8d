"""The handbook application: simulated card transactions by day, whose labels come a week late, and an ensemble of plain networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.handbook import columns
from pipelines.binary.frames.roles import Roles, Words
from pipelines.binary.stages import tabular
from pipelines.binary.tabular import Files, Gates, Tabular

if TYPE_CHECKING:
    from pipelines.binary.models.fitting import Fitting


def gates() -> Gates:
    from apps.handbook.gates import GATES

    return GATES


def fitting() -> Fitting:
    from apps.handbook.model import FITTING

    return FITTING


HANDBOOK = Tabular(
    name="handbook",
    title="Card transactions, simulated",
    source=Files(header={name: name for name in columns.TYPES}, rules=columns.rules),
    rows=columns.TRANSACTIONS,
    features=columns.FEATURE_TABLE,
    roles=Roles(
        key=("source_file", "source_line"),
        time="time_s",
        label=columns.LABEL,
        value="amount",
        entity="customer_id",
    ),
    gates=gates,
    transform=columns.engineered,
    history_days=columns.HISTORY_DAYS,
    gaps=columns.BEFORE,
    model_features=columns.FEATURES,
    fitting=fitting,
    labels=columns.LABELS,
    label_files=Files(header={name: name for name in columns.LABEL_TYPES}, rules=columns.label_rules),
    oversample=None,
    undersample=1.0,
    review_cost=10.0,
    bins=columns.BINS,
    words=Words(positives="frauds", negatives="normal transactions"),
)

STEPS = tabular(HANDBOOK)
