"""Kills at random moments until a run is done, many runs over: ``python -m tests.bench.dlcore.kills --kills 30``.

Each run trains in ``local-cluster[2,1,1024]``; Python workers, executors and drivers are killed by turns. Every end must be that of the
unbroken run, bit for bit.
"""

import argparse
import itertools
import random
import signal
import tempfile
import time
from pathlib import Path

from tests.faults.test_kills import Run, running

MASTER = "local-cluster[2,1,1024]"


def kill(run: Run, kind: str) -> bool:
    """Kill one process of a kind; whether there was one. Killing the driver ends the run."""
    if kind == "driver":
        run.process.kill()
        return True
    found = run.workers() if kind == "worker" else run.executors()
    if found:
        random.choice(found).send_signal(signal.SIGKILL)
    return bool(found)


def broken(folder: Path, kinds: "itertools.cycle[str]") -> tuple[str, int, list[float]]:
    """Train to the end over kills about each 50 steps; the last line, the kills, and seconds from a kill to the next record."""
    kills, waits, step = 0, list[float](), 0
    while True:
        with running(MASTER, str(folder)) as run:
            while True:
                line = run.until(("step", "weights"))
                if line.startswith("weights"):
                    return line, kills, waits
                if (now := int(line.split()[1])) < step + random.randint(30, 70):
                    continue
                kind = next(kinds)
                step, started = now, time.monotonic()
                kills += kill(run, kind)
                if kind == "driver":
                    break
                if run.until(("step", "weights")).startswith("step"):
                    waits.append(time.monotonic() - started)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=30)
    wanted = arguments.parse_args().kills
    kinds = itertools.cycle(["worker", "executor", "worker", "driver"])
    with tempfile.TemporaryDirectory() as place:
        with running(MASTER, f"{place}/unbroken") as run:
            unbroken = run.until("weights")
        done, waits = 0, list[float]()
        for number in itertools.count():
            end, kills, seconds = broken(Path(place) / str(number), kinds)
            if end != unbroken:
                raise AssertionError(
                    f"run {number} ended with {end} after {kills} kills, the unbroken one with {unbroken}"
                )
            done, waits = done + kills, waits + seconds
            print(f"{done} kills, every end bit for bit the unbroken one", flush=True)
            if done >= wanted:
                break
    waits.sort()
    print(f"from a kill to the next record: median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s")


if __name__ == "__main__":
    main()
