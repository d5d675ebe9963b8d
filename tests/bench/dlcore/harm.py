"""What can befall a run: each is a function that does it to processes there are, and says whether it found any.

A link that is cut is, on one machine, a process that is stopped with all below it, and goes on after longer than the patience: to the
others it is as silent, and it comes back with what it was at.
"""

import random
import resource
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import psutil

from tests.faults.test_kills import Run

PATIENCE_S = 10.0
CUT_S = 3 * PATIENCE_S
"""Longer than workers' patience with each other, the grace after it, and the driver's."""
FAILS_S = 5.0

Harm: TypeAlias = Callable[[Run, Path, random.Random], bool]
"""Of a run, its folder, and the chance that chooses."""


def signalled(kind: str, number: signal.Signals, run: Run, _: Path, chance: random.Random) -> bool:
    """A signal to a worker, an executor or the driver; no driver that still launches Spark, which leaves a folder when killed."""
    kinds: Mapping[str, Callable[[], list[psutil.Process]]] = {
        "worker": run.workers,
        "executor": run.executors,
        "driver": partial(drivers, run),
    }
    if found := kinds[kind]():
        chance.choice(found).send_signal(number)
    if found and kind == "driver":
        run.process.wait()
    return bool(found)


def drivers(run: Run) -> list[psutil.Process]:
    return [psutil.Process(run.process.pid)] if run.executors() else []


def hung(run: Run, folder: Path, _: random.Random) -> bool:
    """The worker that takes the next step holds Python's lock for ever, so that no thread of it says a word."""
    if found := bool(run.workers()):
        folder.with_name(f"{folder.name}.computed.hang").touch()
    return found


def without_storage(run: Run, _: Path, __: random.Random) -> bool:
    """No file of the driver's process can grow for a while, which fails as the disk would (EFBIG); meanwhile a commit comes, or none."""
    for driver in drivers(run):
        before = driver.rlimit(resource.RLIMIT_FSIZE)
        driver.rlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        time.sleep(FAILS_S)
        if run.process.poll() is None:
            driver.rlimit(resource.RLIMIT_FSIZE, before)
        return True
    return False


def cut(kind: str, run: Run, _: Path, chance: random.Random) -> bool:
    """An executor with its workers, or the driver with its JVM, is silent for a while."""
    if not (found := run.executors()):
        return False
    one = chance.choice(found)
    silent = [one, *one.children(recursive=True)]
    if kind == "driver":
        beneath = {each for executor in found for each in [executor, *executor.children(recursive=True)]}
        silent = [psutil.Process(run.process.pid), *(each for each in run.tree() if each not in beneath)]
    each_signalled(silent, signal.SIGSTOP)
    time.sleep(CUT_S)
    each_signalled(silent, signal.SIGCONT)
    return True


def each_signalled(processes: list[psutil.Process], number: signal.Signals) -> None:
    for each in processes:
        try:
            each.send_signal(number)
        except psutil.NoSuchProcess:  # it has ended since
            continue


HARMS: Mapping[str, Harm] = {
    "worker": partial(signalled, "worker", signal.SIGKILL),
    "executor": partial(signalled, "executor", signal.SIGKILL),
    "worker stopped": partial(signalled, "worker", signal.SIGSTOP),
    "worker's fault": partial(signalled, "worker", signal.SIGSEGV),
    "worker hung": hung,
    "storage": without_storage,
    "executor cut off": partial(cut, "executor"),
    "driver cut off": partial(cut, "driver"),
    "driver": partial(signalled, "driver", signal.SIGKILL),
}
