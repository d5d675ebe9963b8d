"""Features are cut where the label changes, whatever the order of rows."""

import numpy as np
import pytest

from pipelines.binary.frames.edges import LEAF_ROWS, edges_of


def test_a_feature_is_cut_where_the_label_changes_and_the_last_edge_fills_up() -> None:
    amount = np.linspace(0.0, 1000.0, 1001)
    (edges,) = edges_of(amount[:, None], (amount > 220).astype(np.int64), bins=4)
    assert edges == pytest.approx([0.0, 220.5, 1000.0, 1000.0, 1000.0])


def test_a_constant_has_no_bin() -> None:
    assert edges_of(np.ones((50, 1)), np.arange(50) % 2, bins=2) == ((1.0, 1.0, 1.0),)


def test_edges_do_not_depend_on_the_order_of_rows() -> None:
    chance = np.random.default_rng(0)
    values, label = chance.normal(size=(2000, 3)), chance.integers(0, 2, 2000)
    turned = chance.permutation(2000)
    edges = edges_of(values, label, bins=8)
    assert edges == edges_of(values[turned], label[turned], bins=8)
    for cut, column in zip(edges, values.T, strict=True):
        assert np.histogram(column, np.unique(cut))[0].min() >= LEAF_ROWS
