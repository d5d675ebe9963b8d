"""Kills at random moments until a run is done, many runs over: ``python -m tests.bench.dlcore.kills --kills 30 --seed 1``.

Each run trains in ``local-cluster[2,1,1024]``; Python workers, executors and drivers are killed by turns, each up to six seconds
after the last one's group has been made up for: while Spark starts, workers meet, train, write or commit. Every end must be that of
the unbroken run, bit for bit. With ``--logical`` those that are left take over the shares of an executor that was killed.
"""

import argparse
import itertools
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psutil

from tests.faults.test_kills import Run, running

MASTER = "local-cluster[2,1,1024]"
EPOCHS = "150"
DELAY_S = 6.0


@dataclass(frozen=True)
class Kill:
    """What was killed, and the seconds until the next group was finished; none where the run's end or start came between."""

    kind: str
    wait_s: float | None


class Followed:
    """A run whose lines are read as they come, each with its time."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lines: list[tuple[float, str]] = []
        self.reading = Thread(target=self.read)
        self.reading.start()

    def read(self) -> None:
        assert self.run.process.stdout is not None
        for line in self.run.process.stdout:
            self.lines.append((time.monotonic(), line.strip()))

    def ended(self) -> bool:
        return self.run.process.poll() is not None

    def step(self) -> int:
        """The last step that was told of."""
        return max((int(line.split()[-1]) for _, line in self.lines if line.startswith("step")), default=0)

    def committed(self, after: int, since: float) -> float | None:
        """When a group was committed that ended beyond step ``after``; none as long as there is none."""
        while not self.ended():
            for at, line in self.lines:
                if at > since and line.startswith("committed step") and int(line.split()[-1]) > after:
                    return at
            time.sleep(0.02)
        return None

    def weights(self) -> str | None:
        """The last line of a run that came to its end."""
        self.reading.join()
        return next((line for _, line in self.lines if line.startswith("weights")), None)


def victims(run: Run, kind: str) -> list[psutil.Process]:
    """The processes of a kind that there are now; no driver that still launches Spark, which leaves a folder when killed."""
    if kind == "driver":
        return [psutil.Process(run.process.pid)] if run.executors() else []
    return run.workers() if kind == "worker" else run.executors()


def killed(followed: Followed, kinds: Iterator[str], chance: random.Random) -> Iterator[Kill]:
    """Kill until the run is done, or its driver was killed."""
    kind = next(kinds)
    while not followed.ended():
        time.sleep(chance.uniform(0, DELAY_S))
        if followed.ended() or not (found := victims(followed.run, kind)):
            continue
        step, at = followed.step(), time.monotonic()
        chance.choice(found).send_signal(signal.SIGKILL)
        if kind == "driver":
            followed.run.process.wait()
        finished = followed.committed(step, at)
        yield Kill(kind, finished - at if finished else None)
        kind = next(kinds)


def broken(
    folder: Path, settings: Sequence[str], kinds: Iterator[str], chance: random.Random
) -> tuple[str, list[Kill]]:
    """Train to the end, over as many starts as drivers are killed; the line with the weights, and the kills."""
    kills, end = list[Kill](), None
    while end is None:
        with running(MASTER, str(folder), EPOCHS, *settings) as run:
            followed = Followed(run)
            kills += killed(followed, kinds, chance)
            end = followed.weights()
    return end, kills


def waits(kills: Sequence[Kill], kind: str) -> str:
    seconds = [kill.wait_s for kill in kills if kill.kind == kind and kill.wait_s is not None]
    if not seconds:
        return f"no {kind} was killed before its run's last group"
    return f"{kind}: median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s ({len(seconds)} kills)"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments.add_argument("--logical", action="store_true")
    given = arguments.parse_args()
    settings = ["training.logical_workers=2"] if given.logical else []
    print(f"seed {given.seed}", flush=True)
    kinds, chance = itertools.cycle(["worker", "executor", "worker", "executor", "driver"]), random.Random(given.seed)
    kills = list[Kill]()
    with tempfile.TemporaryDirectory() as place:
        with running(MASTER, f"{place}/unbroken", EPOCHS, *settings) as run:
            unbroken = run.until("weights")
        while len(kills) < given.kills:
            end, more = broken(Path(place) / str(len(kills)), settings, kinds, chance)
            if end != unbroken:
                raise AssertionError(f"a run ended with {end} after {more}, the unbroken one with {unbroken}")
            kills += more
            print(f"{len(kills)} kills, every end bit for bit the unbroken one", flush=True)
    print("from a kill to the next finished group:")
    for kind in ("worker", "executor"):
        print("  " + waits(kills, kind))


if __name__ == "__main__":
    main()
