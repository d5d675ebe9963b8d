"""How long a group may take to begin, as its processes are warm or have yet to start."""

from dlcore.spark.group import limits_of


def test_a_worker_that_does_not_come_is_missed_sooner_where_all_have_just_been_at_work() -> None:
    cold, warm = (limits_of(2, 10.0, slots_wait_s=60.0, warm=warm).begin_s for warm in (False, True))
    assert (cold, warm) == (310.0, 40.0)


def test_no_group_is_given_less_time_to_begin_than_its_patience() -> None:
    assert limits_of(2, 120.0, slots_wait_s=60.0, warm=True).begin_s == 130.0


def test_the_driver_outwaits_the_workers_patience_with_each_other() -> None:
    limits = limits_of(2, 10.0, slots_wait_s=60.0, warm=True)
    assert limits.batch_s > 10.0 and limits.end_s <= 10.0
