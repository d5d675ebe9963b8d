"""An executor that is lost for good, and one that comes: the run goes on with those there are, and takes each row once an epoch.

With logical workers it goes on at once, and ends with the bits of any other number of workers.
"""

from pathlib import Path

from tests.faults.elastic import EPOCHS
from tests.faults.test_kills import running

PROGRAM = Path(__file__).with_name("elastic.py")


def test_workers_go_and_come_and_every_row_is_taken_once_an_epoch(tmp_path: Path) -> None:
    with running(str(tmp_path), program=PROGRAM) as run:
        assert run.until("taken") == f"taken {EPOCHS:.1f} {EPOCHS:.1f}"
    records = [line.split() for line in run.lines if line.startswith("step")]
    rates = [float(rate) for _, _, _, rate in records]
    assert len(records) == EPOCHS
    assert set(rates) == {0.02, 0.01}, "the rate follows the batch"
    assert rates[0] == rates[-1] == 0.02, "the run grew again"
    assert int(records[-1][1]) > EPOCHS * 9, "a smaller batch takes more steps"


def test_survivors_take_over_a_lost_executors_shares_and_a_new_one_joins(tmp_path: Path) -> None:
    """Those that are left take their time until the new one has joined, however long its start takes."""
    shares = ("40", "training.logical_workers=2")
    slow = tmp_path / "broken.computed.slow"
    with running("local[2]", str(tmp_path / "unbroken"), *shares) as run:
        unbroken = run.until("weights")
    with running("local-cluster[2,1,1024]", str(tmp_path / "broken"), *shares) as run:
        run.until("step", step=50)
        slow.touch()
        run.executors()[0].kill()
        run.until("training needs 2 task slots at once, the Spark application has 1: going on with 1 workers")
        run.until("going on with 2 workers")
        slow.unlink()
        assert run.until("weights") == unbroken


def test_an_executor_that_is_told_to_go_costs_no_step(tmp_path: Path) -> None:
    """SIGTERM is the notice here, as of a cluster that takes executors back; Spark's own is SIGPWR. It comes in mid-group."""
    notice = [
        "training.logical_workers=2",
        "training.group_s=60",
        "spark.decommission.enabled=true",
        "spark.executor.decommission.signal=TERM",
    ]
    with running("local-cluster[2,1,1024]", str(tmp_path / "run"), "40", *notice) as run:
        run.until("step", step=50)
        run.executors()[0].terminate()
        run.until("training needs 2 task slots at once, the Spark application has 1: going on with 1 workers")
        run.until("weights")
    assert not [line for line in run.lines if "runs again" in line]
    assert (tmp_path / "run.computed").stat().st_size == 2 * 400, "each share of each step was computed once"
