"""Each kind of trees is fitted by a trial's setting and ranks rows it has not seen; trials are the same each time."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.binary.models.trees import FOREST, HISTOGRAM, XGBOOST, Trees


@pytest.mark.parametrize("trees", [XGBOOST, FOREST, HISTOGRAM], ids=lambda each: each.title)
def test_a_trial_ranks_unseen_rows(trees: Trees) -> None:
    rows = np.random.default_rng(0).normal(size=(600, 4))
    label = (rows[:, 0] + rows[:, 1] > 1).astype(np.int64)
    setting = {**trees.trials(2)[0], **({"n_estimators": 20} if trees is FOREST else {})}
    rate = trees.fit(setting, rows[:400], label[:400], seed=1)
    assert roc_auc_score(label[400:], rate(rows[400:])) > 0.9
    assert trees.trials(3)[:2] == trees.trials(2)
