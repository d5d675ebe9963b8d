"""Permutation importance finds the feature that a score rests on."""

import numpy as np
import torch

from pipelines.binary.measures.importance import drawn, permuted


def test_the_feature_that_decides_is_first_and_an_unused_one_is_nothing() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32))
    label = (rows[:, 1] > 1.5).long().numpy()
    found = permuted(lambda rows_NF: rows_NF[:, 1] + 0.1 * rows_NF[:, 2], rows, label, ["a", "b", "c"], seed=1)
    assert found[0].feature == "b" and found[0].mean > 0.5
    assert {each.feature: each.mean for each in found}["a"] == 0
    assert found == permuted(lambda rows_NF: rows_NF[:, 1] + 0.1 * rows_NF[:, 2], rows, label, ["a", "b", "c"], seed=1)


def test_of_each_label_as_many_rows_are_drawn_as_may_be() -> None:
    label = (np.arange(1000) % 10 == 0).astype(np.int64)
    found = drawn(label, 200, seed=1)
    assert found.tolist() == sorted(set(found.tolist())) == drawn(label, 200, seed=1).tolist()
    assert (len(found), label[found].sum()) == (300, 100) and label[drawn(label, 30, seed=1)].sum() == 30
