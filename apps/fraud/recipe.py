"""The fraud application: card transactions by day, an ensemble of small networks on bagged samples, scores and decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.fraud import columns
from features.expressions import DAY_S
from pipelines.binary.frames.roles import Roles, Words
from pipelines.binary.stages import tabular
from pipelines.binary.tabular import Files, Gates, Tabular

if TYPE_CHECKING:
    from pipelines.binary.models.fitting import Fitting


def gates() -> Gates:
    from apps.fraud.gates import GATES

    return GATES


def fitting() -> Fitting:
    from apps.fraud.model import FITTING

    return FITTING


FRAUD = Tabular(
    name="fraud",
    title="Card-transaction fraud",
    source=Files(header=columns.HEADER, rules=columns.rules),
    rows=columns.TRANSACTIONS,
    features=columns.FEATURE_TABLE,
    roles=Roles(key=columns.KEY, time="time_s", label=columns.LABEL, value="amount"),
    gates=gates,
    transform=columns.engineered,
    history_days=-(-columns.WINDOWS.longest_s // DAY_S),
    gaps=frozenset({columns.DAY_BEFORE}),
    model_features=columns.MODEL_FEATURES,
    fitting=fitting,
    review_cost=10.0,
    words=Words(positives="frauds", negatives="normal transactions"),
)

STEPS = tabular(FRAUD)
