import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.airflow.client import Airflow
from infra.airflow.demo import ended
from infra.airflow.service import REPOSITORY


def test_a_block_that_comes_to_its_end_is_left_as_it_is() -> None:
    begun = ["one"]
    with ended("it", begun.clear):
        pass
    assert begun == ["one"]


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Interrupt this process as Python by itself would be: a Spark session that other tests have brings its own handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield partial(signal.raise_signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_does_not_break_off_the_ending_of_what_the_first_one_broke_off(
    interrupt: Callable[[], None],
) -> None:
    begun = ["one"]

    def end() -> None:
        interrupt()
        begun.clear()

    with pytest.raises(KeyboardInterrupt), ended("it", end):
        interrupt()
    assert begun == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_airflow_is_ended_where_its_run_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    begun, nowhere = ["one"], Airflow(url="http://127.0.0.1:1", password=SecretStr(""))
    with (
        pytest.raises(KeyboardInterrupt),
        ended("Airflow", begun.clear),
        ended("the run", lambda: nowhere.end("d", "r")),
    ):
        raise KeyboardInterrupt
    assert begun == []
    assert "the run could not be ended: " in capsys.readouterr().err


def test_an_airflow_that_was_stopped_meanwhile_ends_the_demo_with_a_sentence(silent_airflow: Path) -> None:
    command = [sys.executable, "-m", "infra", "demo", "fraud", "--set", f"state={silent_airflow}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Airflow at http://127.0.0.1:") and " does not answer: " in done.stderr
    assert "Traceback" not in done.stderr
