"""One program, any master: what a training promises, on executors of their own. (The standalone master has its own module.)"""

from pathlib import Path

from tests.faults.test_kills import running

PROGRAM = Path(__file__).with_name("points.py")


def test_every_point_holds(tmp_path: Path) -> None:
    with running("local-cluster[2,1,1024]", str(tmp_path), program=PROGRAM) as run:
        assert run.until("every point holds") == "every point holds"
