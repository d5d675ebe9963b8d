"""kill -9 of a Python worker, an executor and the driver: training goes on, and ends with the weights of a run without failure."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

import psutil
import pytest

DAEMON = "dlcore.spark.daemon"
PROGRAM = Path(__file__).with_name("program.py")
REPOSITORY = Path(__file__).parents[2]


class Run:
    """The program as a process of its own, followed by its lines; what it says on standard error is kept for those who ask why."""

    def __init__(
        self, program: Path, *arguments: str, temporary: str, errors: IO[bytes], before: Sequence[str] = ()
    ) -> None:
        self.errors = errors
        self.process = subprocess.Popen(
            [*before, sys.executable, str(program), *arguments],
            env=os.environ | {"TMPDIR": temporary, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, word: str | tuple[str, ...], *, step: int = 0) -> str:
        """Read on to a line that starts with (one) ``word``, and, where it tells a step, has come to ``step``."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(word) and int((re.findall(r"^(?:committed )?step (\d+)", line) or [10**9])[0]) >= step:
                return line.rstrip()
        raise AssertionError(f"the program ended without {word!r}: {self.lines[-5:]}; it said {self.said()}")

    def said(self, most: int = 4000) -> str:
        """The end of what the program said on standard error."""
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - most))
        return self.errors.read().decode(errors="replace")

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        """Python worker processes: children of the daemon."""
        return [p for p in self.tree() if DAEMON in _words(p) and DAEMON in _words(p.parent())]

    def executors(self) -> list[psutil.Process]:
        return executors(self.tree())


def executors(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if any("CoarseGrainedExecutorBackend" in word for word in _words(p))]


def _words(process: psutil.Process | None) -> list[str]:
    """The command line of a process; none of one that has just ended."""
    try:
        return process.cmdline() if process else []
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


@contextmanager
def running(*arguments: str, program: Path = PROGRAM, before: Sequence[str] = ()) -> Iterator[Run]:
    """Run the program, by the command ``before``; however it ends, no process and no temporary file of it is left."""
    there = shared()
    with TemporaryDirectory() as temporary, TemporaryFile() as errors:
        with _ending(Run(program, *arguments, temporary=temporary, errors=errors, before=before)) as run:
            yield run
        left = [*os.listdir(temporary), *(shared() - there)]
    assert not left, f"left behind: {left}"


def shared() -> set[str]:
    """The names in shared memory, but for those of a browser or a pool of processes that other tests may run at the same time."""
    return {
        name
        for name in os.listdir("/dev/shm")
        if "chromium" not in name and not name.startswith(("sem.mp-", "sem.loky-"))
    }


@contextmanager
def _ending(run: Run) -> Iterator[Run]:
    tree: list[psutil.Process] = []
    try:
        yield run
        tree = run.tree() if run.process.poll() is None else []
    finally:
        if run.process.poll() is None:
            tree = run.tree()
            run.process.kill()
        run.process.wait()
        assert run.process.stdout is not None
        run.process.stdout.close()
        _, alive = psutil.wait_procs(tree, timeout=60)
        for process in alive:
            process.kill()
    assert not alive, f"left behind: {alive}"


@pytest.mark.parametrize("seed", [date.today().toordinal()])
def test_a_python_worker_an_executor_and_the_driver_are_killed(unbroken: str, tmp_path: Path, seed: int) -> None:
    """At other moments each day; the test's name tells which."""
    moments = random.Random(seed)
    with running("local-cluster[2,1,1024]", str(tmp_path)) as run:
        run.until("step", step=30)
        time.sleep(moments.uniform(0, 0.5))
        moments.choice(run.workers()).send_signal(signal.SIGKILL)
        run.until("step", step=60)
        time.sleep(moments.uniform(0, 0.5))
        moments.choice(run.executors()).send_signal(signal.SIGKILL)
        run.until("committed", step=80)
        time.sleep(moments.uniform(0, 0.5))
        os.kill(run.process.pid, signal.SIGKILL)
    with running("local[2]", str(tmp_path)) as run:
        assert run.until("weights") == unbroken
    first = next(line for line in run.lines if line.startswith("step"))
    assert int(first.split()[1]) > 80, "the second start began anew"


def test_python_workers_that_spark_does_not_keep_write_what_they_did(unbroken: str, tmp_path: Path) -> None:
    with running("local[2]", str(tmp_path), "20", "spark.python.worker.reuse=false") as run:
        assert run.until("weights") == unbroken
