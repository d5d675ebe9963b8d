"""The images application with a process killed in each of its steps: what it costs, and that no row is lost or other than without.

``python -m tests.bench.images.killed [KIND ...]``: every step by the command line on sixty pictures, first undisturbed, then with kill -9
in its midst of HBase, of the executors' Python processes, or of the driver's JVM. A step that fails is run again, as Airflow would; at the
end each table must hold the rows of the undisturbed run, by fingerprint.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from apps.images import data
from infra import processes
from infra.hbase.service import Service
from infra.settings import Settings

DS = "2024-03-01"
SPLITS = {"train": 40, "val": 10, "test": 10}
GIVEN = ["--run", "killed", "--ds", DS, "--first-date", DS, "--last-date", DS]
FORM = ["--epochs", "1", "--batch", "8", "--bits", "16", "--int8-bound", "1", "--shown", "2"]
STEPS = (
    "load", "pin", "prepare", "train", "evaluate", "quantise", "codes", "publish", "detect", "encode", "neighbours", "report",
)  # fmt: skip
WRITING = ("load", "prepare", "detect", "encode", "neighbours")
MOST_TRIES = 3


@dataclass(kw_only=True)
class World:
    """A state folder of its own with sixty landed pictures, and how long each step takes undisturbed."""

    state: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def hbase(self) -> Service:
        return Service(settings=Settings(state=self.state))

    def begin(self, step: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "apps", "images", step, *GIVEN, *FORM]
        environment = {**os.environ, "EMBERLINE_STATE": str(self.state)}
        with (self.state / f"{step}.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def tables(self) -> dict[str, list[tuple[str, int, str]]]:
        """Of each step that writes tables, their names, rows and fingerprints; models are told by their tables' rows."""
        folder = Settings(state=self.state).run_folder("images", "killed") / "outcomes"
        found = {}
        for step in WRITING:
            partitions = json.loads((folder / f"{step}@{DS}.json").read_text())["partitions"]
            found[step] = [(each["table"], each["rows"], each["fingerprint"]) for each in partitions]
        return found


def land(state: Path) -> None:
    """The first pictures of each split, as one day's delivery."""
    folder = state / "landing" / "images" / f"ds={DS}"
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for split, count in SPLITS.items():
        names = (data.SAMPLE / "ImageSets" / "Main" / f"{split}.txt").read_text().split()[:count]
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            for file in (f"Annotations/{name}.xml", f"JPEGImages/{name}.jpg"):
                shutil.copyfile(data.SAMPLE / file, folder / file)


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        made = World(state=Path(folder))
        land(made.state)
        try:
            yield made
        finally:
            made.hbase.stop()


def undisturbed(world: World) -> None:
    for step in STEPS:
        before = time.monotonic()
        if world.begin(step).wait():
            raise SystemExit(f"{step} failed undisturbed:\n{(world.state / f'{step}.log').read_text()[-3000:]}")
        world.seconds[step] = time.monotonic() - before


def hbases(world: World, step: psutil.Process) -> list[int]:
    return world.hbase.pids()


def workers(world: World, step: psutil.Process) -> list[int]:
    """The Python processes in which Spark's tasks run."""
    return [one.pid for one in step.children(recursive=True) if "pyspark.daemon" in words(one)]


def drivers(world: World, step: psutil.Process) -> list[int]:
    """The step itself, and its JVM."""
    return [step.pid, *[one.pid for one in step.children() if "java" in one.name()]]


def words(process: psutil.Process) -> list[str]:
    """The command line of a process; none of one that has just ended."""
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return process.cmdline()
    return []


KINDS: dict[str, Callable[[World, psutil.Process], list[int]]] = {
    "HBase": hbases,
    "executors' Python": workers,
    "driver": drivers,
}


def kill(pids: list[int]) -> int:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(pids)


def disturbed(world: World, kind: str, seconds: dict[str, float]) -> Iterator[tuple[str, int, int]]:
    """Each step, the processes that were killed in the midst of its first try, and how many tries it took."""
    return ((step, *tried(world, kind, step, seconds[step])) for step in STEPS)


def tried(world: World, kind: str, step: str, seconds: float) -> tuple[int, int]:
    killed = 0
    for number in range(1, MOST_TRIES + 1):
        running = world.begin(step)
        if number == 1:
            killed = killed_midway(world, kind, running, seconds)
        if running.wait() == 0:
            return killed, number
    raise SystemExit(f"{step} failed {MOST_TRIES} times:\n{(world.state / f'{step}.log').read_text()[-3000:]}")


def killed_midway(world: World, kind: str, running: "subprocess.Popen[bytes]", seconds: float) -> int:
    """Kill at two thirds of the step's time, or as soon after as there is what is to be killed."""
    time.sleep(seconds * 2 / 3)
    while running.poll() is None:
        with suppress(psutil.NoSuchProcess):  # it ends just now
            if found := KINDS[kind](world, psutil.Process(running.pid)):
                return kill(found)
        time.sleep(0.2)
    return 0


def main(kinds: list[str]) -> None:
    processes.end_as_by_ctrl_c()
    with world() as plain:
        undisturbed(plain)
        expected, seconds = plain.tables(), plain.seconds
    print(
        f"undisturbed: {sum(seconds.values()):.0f} s, rows {[rows for step in expected.values() for _, rows, _ in step]}"
    )
    for kind in kinds or KINDS:
        with world() as other:
            before = time.monotonic()
            for step, killed, tries in disturbed(other, kind, seconds):
                print(f"{kind:<18} {step:<11} {killed} killed, {tries} tries", flush=True)
            others = {step: (told, expected[step]) for step, told in other.tables().items() if told != expected[step]}
        print(
            f"{kind:<18} {time.monotonic() - before:.0f} s; other rows than undisturbed: {others or 'none'}", flush=True
        )
        if others:
            raise SystemExit(f"{kind}: the tables of {', '.join(others)} hold other rows than undisturbed")


if __name__ == "__main__":
    main(sys.argv[1:])
