"""Harm at random moments until a run is done, many runs over: ``python -m tests.bench.dlcore.kills --kills 60 --state kills.json``.

Each run trains in ``local-cluster[2,1,1024]`` with a patience of 10 s, and what `harm` lists befalls it by turns, each up to ``--delay``
seconds after the last one's group has been made up for: while Spark starts, workers meet, train, write or commit. Every end must be
that of the unbroken run, bit for bit. With ``--logical`` those that are left take over the shares of an executor that was killed.
What was found is written to the state file after each run, so that another call goes on with the next batch.
"""

import argparse
import itertools
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread

import psutil

from tests.bench.dlcore.harm import HARMS, PATIENCE_S
from tests.faults.test_kills import Run, running

MASTER = "local-cluster[2,1,1024]"
STEPS_AN_EPOCH, SHARES = 10, 2


BESIDE, ALONE, START = "beside another worker", "of a run with one worker left", "in a run's start"
"""When harm comes: to two workers; to one, with none to take its shares over; before any group since the driver's start was finished."""


@dataclass(frozen=True)
class Kill:
    """What was done, when, and the seconds until the next group was finished; none where the run's end or start came between."""

    kind: str
    wait_s: float | None
    when: str


@dataclass(frozen=True)
class Found:
    """What the runs so far have shown: the unbroken run's end, what befell the others, and how much of what they computed counts."""

    seed: int
    epochs: int
    logical: bool
    unbroken: str = ""
    kills: list[Kill] = field(default_factory=list)
    useful: int = 0
    computed: int = 0

    @classmethod
    def read(cls, file: Path) -> "Found":
        read = json.loads(file.read_text())
        return cls(**read | {"kills": [Kill(**kill) for kill in read["kills"]]})

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1))


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

    def when(self) -> str:
        """What the run is at, by what it said last of its workers."""
        if not self.step():
            return START
        said = [line for _, line in self.lines if "going on with" in line]
        return ALONE if said and said[-1].endswith("with 1 workers") else BESIDE

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


def killed(
    followed: Followed, folder: Path, kinds: Iterator[str], chance: random.Random, delay_s: float
) -> Iterator[Kill]:
    """Do harm until the run is done, or its driver was killed."""
    kind = next(kinds)
    while not followed.ended():
        time.sleep(chance.uniform(0, delay_s))
        step, when, at = followed.step(), followed.when(), time.monotonic()
        try:
            done = not followed.ended() and HARMS[kind](followed.run, folder, chance)
        except psutil.NoSuchProcess:  # the run's end, or another process's, came between
            continue
        if done:
            finished = followed.committed(step, at)
            yield Kill(kind, finished - at if finished else None, when)
            kind = next(kinds)


def broken(
    folder: Path, found: Found, kinds: Iterator[str], chance: random.Random, delay_s: float
) -> tuple[str, list[Kill]]:
    """Train to the end, over as many starts as drivers are killed; the line with the weights, and the kills."""
    kills, end = list[Kill](), None
    while end is None:
        with running(MASTER, str(folder), str(found.epochs), *settings(found)) as run:
            followed = Followed(run)
            kills += killed(followed, folder, kinds, chance, delay_s)
            end = followed.weights()
            if end is None and kills[-1:] and kills[-1].kind != "driver":
                raise AssertionError(f"a run ended without weights after {kills}: {followed.lines[-20:]}; {run.said()}")
    return end, kills


def settings(found: Found) -> list[str]:
    shares = ["training.logical_workers=2"] if found.logical else []
    return [*shares, f"training.patience_s={PATIENCE_S:g}", "training.retries=10"]


def waits(kills: Sequence[Kill], kind: str) -> str:
    """The seconds after harm of a kind, by when it came."""
    found = {
        when: [kill.wait_s for kill in kills if (kill.kind, kill.when) == (kind, when)]
        for when in (BESIDE, ALONE, START)
    }
    return f"{kind}: " + "; ".join(f"{when} {told(waits_s)}" for when, waits_s in found.items())


def told(waits_s: Sequence[float | None]) -> str:
    if not (seconds := [wait_s for wait_s in waits_s if wait_s is not None]):
        return "none"
    return f"median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s ({len(seconds)})"


def batch(found: Found, kills: int, harms: Sequence[str], delay_s: float, state: Path) -> Found:
    """Do so much harm more, of these kinds by turns, and write what is found after each run."""
    before = len(found.kills)
    chance = random.Random(found.seed + before)
    kinds = itertools.islice(itertools.cycle(harms), before % len(harms), None)
    with tempfile.TemporaryDirectory() as place:
        if not found.unbroken:
            with running(MASTER, f"{place}/unbroken", str(found.epochs), *settings(found)) as run:
                found = Found(found.seed, found.epochs, found.logical, run.until("weights"))
        while len(found.kills) < before + kills:
            folder = Path(place) / str(len(found.kills))
            end, more = broken(folder, found, kinds, chance, delay_s)
            if end != found.unbroken:
                raise AssertionError(f"a run ended with {end} after {more}, the unbroken one with {found.unbroken}")
            found = counted(found, more, folder)
            found.write(state)
            print(f"{len(found.kills)} kills, every end bit for bit the unbroken one", flush=True)
    return found


def counted(found: Found, more: list[Kill], folder: Path) -> Found:
    useful = found.useful + found.epochs * STEPS_AN_EPOCH * SHARES
    computed = found.computed + folder.with_name(f"{folder.name}.computed").stat().st_size
    return Found(found.seed, found.epochs, found.logical, found.unbroken, [*found.kills, *more], useful, computed)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments.add_argument("--kinds", nargs="+", choices=HARMS, default=[*HARMS], help="of harm; all unless said")
    arguments.add_argument("--logical", action="store_true")
    arguments.add_argument("--epochs", type=int, default=150, help="of 10 steps, of 20 ms at the least")
    arguments.add_argument(
        "--delay", type=float, default=6.0, help="the longest time, in seconds, from one to the next"
    )
    arguments.add_argument("--state", type=Path, help="a file that another call goes on from")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = given.state or Path(folder) / "kills.json"
        found = Found.read(state) if state.exists() else Found(given.seed, given.epochs, given.logical)
        print(f"seed {found.seed}, after {len(found.kills)} kills", flush=True)
        found = batch(found, given.kills, given.kinds, given.delay, state)
    print(f"{dict(Counter(kill.kind for kill in found.kills))}")
    print(
        f"goodput: {found.useful / found.computed:.3f} of what was computed counts; from a kill to the next finished group:"
    )
    for kind in given.kinds:
        print("  " + waits(found.kills, kind))


if __name__ == "__main__":
    main()
