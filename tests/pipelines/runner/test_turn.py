"""Two tries of one step instance, in processes of their own: the second waits, says for whom, and goes on when the first is killed."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.runner.perform import attempt
from pipelines.runner.run import Stage
from pipelines.runner.turn import Taken, turn
from tests.pipelines.runner.test_perform import Count, run

FIRST = """
import sys, time
from pathlib import Path
from pipelines.runner.perform import attempt
from pipelines.runner.run import Stage
from tests.pipelines.runner.test_perform import run
class Stalled:
    def run(self, spark):
        print("begun", flush=True)
        time.sleep(600)
attempt("count", run(Path(sys.argv[1])), Stage(lambda _: Stalled(), "none"))
"""


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A try that stalls in mid-step."""
    with subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_a_second_try_names_the_first_and_takes_its_turn_when_that_is_killed(
    tmp_path: Path, first: subprocess.Popen[str], caplog: pytest.LogCaptureFixture
) -> None:
    lock = run(tmp_path).folder / "locks" / "count.lock"
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(Taken, match=f"another try of count is at work.*: process {first.pid} on {os.uname().nodename};"),
        turn(lock, patience_s=0.3),
    ):
        pass
    assert [f"process {first.pid} on" in record.message for record in caplog.records] == [True]
    first.kill()
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=2), "none"))
    assert run(tmp_path).outcome("count").summary == "2 rows counted"


def test_other_instances_do_not_wait(tmp_path: Path, first: subprocess.Popen[str]) -> None:
    attempt("count", run(tmp_path), Stage(lambda _: Count(rows=2), "none", each="date"))
    assert first.poll() is None


def test_a_turn_ends_with_its_block(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with turn(tmp_path / "lock", patience_s=0):
            assert (tmp_path / "lock").read_text() == f"process {os.getpid()} on {os.uname().nodename}"
    assert caplog.messages == []  # of waiting
