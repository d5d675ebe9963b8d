"""Waiting for task slots: with a deadline and a word, and not again for more than the least a run has shrunk to."""

import pytest

from dlcore.spark.group import wait_for_slots


def test_all_that_were_asked_for_are_waited_for() -> None:
    found = iter([0, 2, 4])
    assert wait_for_slots(lambda: next(found), 4, least=2, wait_s=60, shrunk=False) == 4


def test_a_run_that_has_shrunk_does_not_wait_for_more_than_the_least() -> None:
    assert wait_for_slots(lambda: 3, 4, least=2, wait_s=60, shrunk=True) == 3


def test_a_run_that_has_shrunk_still_waits_for_the_least() -> None:
    found = iter([1, 0, 2])
    assert wait_for_slots(lambda: next(found), 4, least=2, wait_s=60, shrunk=True) == 2
    with pytest.raises(TimeoutError, match=r"needs 4 task slots at once, the Spark application has 1, after 0\.1 s"):
        wait_for_slots(lambda: 1, 4, least=2, wait_s=0.1, shrunk=True)


def test_those_there_are_do_after_the_wait() -> None:
    assert wait_for_slots(lambda: 2, 4, least=2, wait_s=0.1, shrunk=False) == 2
