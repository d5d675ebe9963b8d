"""When a group's job is ended: each phase has its limit, and any sign of progress begins it anew."""

import time
from contextlib import closing

import pytest
from pyspark.sql import SparkSession

from dlcore.parallel.collective import BrokenGroup
from dlcore.spark.group import open_control_server
from dlcore.spark.watchdog import POLL_S, Clock, Limits, Seen, Watchdog

LIMITS = Limits(workers=2, slots_s=3, begin_s=300, batch_s=12, end_s=10)
BEGUN = Seen(launched=True, arrived=2)
AT_WORK = Seen(launched=True, arrived=2, signs=7)


def ends(*seen: tuple[float, Seen]) -> list[Exception | None]:
    clock = Clock(LIMITS, 0.0)
    return [clock.overdue(what, now) for now, what in seen]


@pytest.mark.parametrize(
    ("seen", "limit_s", "error", "sentence"),
    [
        (Seen(), 3, TimeoutError, "needs 2 task slots at once.*other jobs hold some, after 3 s"),
        (Seen(launched=True, arrived=1), 300, BrokenGroup, "1 of 2 workers have come and none has finished a batch"),
        (AT_WORK, 12, BrokenGroup, "no worker has finished a batch for 12 s"),
        (
            Seen(launched=True, arrived=2, signs=7, left="rank 1 is gone"),
            10,
            BrokenGroup,
            "does not end: rank 1 is gone",
        ),
    ],
)
def test_a_phase_ends_after_its_limit(seen: Seen, limit_s: float, error: type[Exception], sentence: str) -> None:
    at_last, late = ends((0.5, seen), (limit_s, seen), (limit_s + 1, seen))[1:]
    assert at_last is None
    with pytest.raises(error, match=sentence):
        raise late or AssertionError


def test_batches_of_any_worker_are_progress_however_long_it_all_takes() -> None:
    steps = [(11.0 * n, Seen(launched=True, arrived=2, signs=n)) for n in range(1, 100)]
    assert not any(ends(*steps))


def test_copying_data_is_progress_however_long_it_takes_and_a_copy_that_stands_still_is_none() -> None:
    copying = [(299.0 * n, Seen(launched=True, arrived=2, loading=n)) for n in range(1, 100)]
    assert not any(ends(*copying))
    assert ends(*copying, (299.0 * 100 + 2, Seen(launched=True, arrived=2, loading=99)))[-1] is not None


def test_beginning_may_take_longer_than_a_batch() -> None:
    assert not any(ends((1, Seen(launched=True)), (200, BEGUN), (499, BEGUN), (500, AT_WORK)))


def test_a_worker_that_is_busy_cannot_put_off_the_end_of_a_group_that_another_has_left() -> None:
    left = [Seen(launched=True, arrived=2, signs=n, left="an error on rank 1") for n in range(20)]
    assert [cause is not None for cause in ends(*enumerate(left))] == [False] * 11 + [True] * 9


def test_a_job_of_which_none_but_a_lost_task_is_left_is_ended_at_once() -> None:
    left = Seen(launched=True, arrived=2, signs=7, left="rank 1 is gone", busy=False)
    assert [cause is not None for cause in ends((5, AT_WORK), (6, left), (6.5, left))] == [False, False, True]


def test_a_job_that_is_only_starting_is_not_said_to_wait_for_other_jobs(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_control_server(spark.sparkContext.getConf())) as control:
        watchdog = Watchdog(spark, control, "group", LIMITS)
        with watchdog.watching():
            time.sleep(3 * POLL_S)  # planning, and nothing of the job's in Spark yet
    assert watchdog.cause is None
    assert "other jobs hold" not in caplog.text
