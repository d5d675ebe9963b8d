"""History say what the time went to, and a group is as long as the pause before it asks for."""

from typing import Any

import pytest

from dlcore import Progress
from dlcore.spark.group import ASSUMED_PAUSE_S, SHARE, SHORTEST_S, length_s
from dlcore.step.progress import time_shares, told


def record(seconds: float, **waits: Any) -> Progress:
    return Progress(step=1, epoch=1, loss=0.0, lr=0.1, rows_per_s=1.0, seconds=seconds, **waits)


def test_shares_are_of_steps_and_pauses_together() -> None:
    history = [record(8.0, synchronisation_s=1.0, data_s=0.5), record(10.0, scheduling_s=1.5, commits_s=0.5)]
    found = time_shares(history)
    assert found == pytest.approx({"scheduling": 0.075, "synchronisation": 0.05, "commits": 0.025, "data": 0.025})
    assert told(found) == "scheduling 7.5 %, synchronisation 5.0 %, commits 2.5 %, data 2.5 %"
    assert set(time_shares([]).values()) == {0.0}


@pytest.mark.parametrize(
    ("paused_s", "longest_s", "seconds"), [(0.3, 60, 40), (0.01, 60, SHORTEST_S), (2, 60, 60), (9, 0.001, 0.001)]
)
def test_a_group_is_no_longer_than_its_pause_asks_for(paused_s: float, longest_s: float, seconds: float) -> None:
    assert length_s(paused_s, longest_s=longest_s) == pytest.approx(seconds)
    assert ASSUMED_PAUSE_S / length_s(ASSUMED_PAUSE_S, longest_s=60) <= SHARE < 0.02
