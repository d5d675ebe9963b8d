"""An executor that is lost for good, and one that comes: the run goes on with those there are, and takes each row once an epoch."""

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
