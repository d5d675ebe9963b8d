"""What each DAG file adds to Airflow's own import: ``python -m tests.bench.parse``; the goal is under 0.3 s."""

import os
import statistics
import subprocess
import sys
import tempfile

from infra.airflow.service import REPOSITORY

GOAL_S = 0.3
MEASURE = """
import runpy, sys, time
runpy.run_path(sys.argv[1])  # Airflow imports its own modules when they are first used
began = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - began)
"""


def seconds(file: str, home: str) -> float:
    """How long a process reads the file that has read it before, and so has all of Airflow that it uses."""
    environment = os.environ | {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", MEASURE, file]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return float(said.splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        for file in sorted((REPOSITORY / "dags").glob("*.py")):
            median = statistics.median(seconds(str(file), home) for _ in range(5))
            print(f"{file.name}: {median:.3f} s, goal {GOAL_S} s: {'reached' if median < GOAL_S else 'MISSED'}")


if __name__ == "__main__":
    main()
