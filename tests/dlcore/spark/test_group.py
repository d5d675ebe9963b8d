"""How long a group may take to begin, as its processes are warm or have yet to start, and whether they outlive it."""

import pytest
from pyspark import SparkConf

from dlcore.spark.group import lasting, limits_of


def test_a_worker_that_does_not_come_is_missed_sooner_where_all_have_just_been_at_work() -> None:
    cold, warm = (limits_of(2, 10.0, slots_wait_s=60.0, warm=warm).begin_s for warm in (False, True))
    assert (cold, warm) == (310.0, 40.0)


def test_no_group_is_given_less_time_to_begin_than_its_patience() -> None:
    assert limits_of(2, 120.0, slots_wait_s=60.0, warm=True).begin_s == 130.0


def test_the_driver_outwaits_the_workers_patience_with_each_other() -> None:
    limits = limits_of(2, 10.0, slots_wait_s=60.0, warm=True)
    assert limits.batch_s > 10.0 and limits.end_s <= 10.0


@pytest.mark.parametrize(
    ("name", "value", "plain", "found"),
    [
        ("spark.python.worker.reuse", "true", True, True),
        ("spark.python.worker.reuse", "false", False, False),
        ("spark.speculation", "true", True, False),
        ("spark.speculation", "true", False, True),
    ],
)
def test_processes_outlive_a_group_where_spark_keeps_them_and_copies_no_task(
    name: str, value: str, plain: bool, found: bool
) -> None:
    assert lasting(SparkConf(loadDefaults=False).set(name, value), plain=plain) == found
