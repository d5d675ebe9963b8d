"""Every measurement of dlcore, one after the other: ``python -m tests.bench.dlcore``, or ``BENCH=dlcore make bench MNIST=folder``.

``MNIST`` in the environment names a folder with the data set's idx files; without it LeNet is left out.
"""

import os
import subprocess
import sys

PROGRAMS = (
    *(
        "speed inception",
        "logical inception",
        "first_step",
        "parquet",
        "prediction",
        "resident",
        "exchange",
        "exchange --workers 4",
        "larger",
        "sharded",
        "planner",
    ),
    *("kills", "kills --logical"),
)


def main() -> None:
    folder = os.environ.get("MNIST")
    if not folder:
        print("LeNet is left out: name a folder with MNIST's idx files, MNIST=folder")
    lenet = (
        [f"{name} {folder}" for name in ("speed lenet", "logical lenet", "averaging", "large_batch")] if folder else []
    )
    for program in [*lenet, *PROGRAMS]:
        name, *arguments = program.split(" ", 2)
        print(f"-- {program}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.dlcore.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
