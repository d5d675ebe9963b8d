"""What investigators find among each day's entities of highest scores, counted by hand."""

import numpy as np
import pytest

from pipelines.binary.measures.entities import precision_by_day, unknown

DAY = np.array([0, 0, 0, 0, 1, 1, 1])
ENTITY = np.array([7, 7, 8, 9, 7, 8, 9])
LABEL = np.array([0, 1, 0, 0, 1, 1, 0])


def test_an_entity_counts_once_by_its_highest_score_and_one_that_was_found_is_not_looked_at_again() -> None:
    score = np.array([0.9, 0.1, 0.8, 0.2, 0.99, 0.3, 0.4])
    assert precision_by_day(score, LABEL, DAY, ENTITY, top=1) == {
        0: 1.0,
        1: 0.0,
    }  # 7 is found on day 0; then 9 is ahead of 8
    assert precision_by_day(score, LABEL, DAY, ENTITY, top=2) == {0: 0.5, 1: 0.5}


def test_of_equal_scores_the_lower_number_is_looked_at_first() -> None:
    assert precision_by_day(np.zeros(7), LABEL, DAY, ENTITY, top=1) == {0: 1.0, 1: 1.0}
    with pytest.raises(ValueError, match="at least one entity a day, got top=0"):
        precision_by_day(np.zeros(7), LABEL, DAY, ENTITY, top=0)


def test_rows_of_entities_whose_positives_were_known_are_left_out() -> None:
    kept = unknown(LABEL, DAY, ENTITY, test=range(1, 2), since=0, delay=1)
    assert kept.tolist() == [False] * 5 + [True, True]
    assert unknown(LABEL, DAY, ENTITY, test=range(1, 2), since=0, delay=2).tolist() == [False] * 4 + [True] * 3
