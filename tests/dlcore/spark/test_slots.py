"""Waiting for task slots: with a deadline and a word, and not again for more than a run has shrunk to; later ones are started ahead."""

import time
from threading import Event

import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

from dlcore.spark.slots import POLL_S, Newcomers, on_demand, wait_for_slots


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


def test_python_is_started_in_slots_that_come_once_the_group_has_its_own(spark: SparkSession) -> None:
    newcomers, begun = Newcomers(spark, lambda: 2), Event()
    with newcomers.watched(1, begun=begun.is_set):
        time.sleep(2 * POLL_S)
        assert newcomers.ready == 0
        begun.set()
        while newcomers.ready < 2:
            time.sleep(POLL_S)
    with newcomers.watched(2, begun=begun.is_set):
        time.sleep(2 * POLL_S)
    assert newcomers.ready == 2


@pytest.mark.parametrize(
    ("master", "enabled", "found"),
    [
        ("spark://a:7077", "true", True),
        ("local-cluster[2,1,1024]", "true", True),
        ("yarn", "false", False),
        ("local[2]", "true", False),
    ],
)
def test_executors_come_on_demand_where_spark_would_refuse_a_barrier_stage(
    master: str, enabled: str, found: bool
) -> None:
    conf = SparkConf(loadDefaults=False).setMaster(master).set("spark.dynamicAllocation.enabled", enabled)
    assert on_demand(conf) == found
