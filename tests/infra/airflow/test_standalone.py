"""A component of Airflow by itself, with a program in the place of `airflow` that is killed, and leaves a child that holds its output."""

import os
import subprocess
import sys
from pathlib import Path

from infra.airflow.service import REPOSITORY

COMPONENT = """
import os, sys, time
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from infra.airflow.standalone import Component
parent, started = SimpleNamespace(output_queue=deque()), Path(sys.argv[1])
def pids(count):
    while len(found := started.read_text().split() if started.exists() else []) < count:
        time.sleep(0.05)
    return [int(pid) for pid in found]
component = Component(parent, name="scheduler", command=["scheduler"], env=dict(os.environ))
component.start()
os.kill(pids(1)[0], 9)
second = pids(2)[1]
component.stop()
component.join()
print(*(line.decode() for _, line in parent.output_queue), sep="|")
os.kill(second, 0)
"""
AIRFLOW = '#!/bin/sh\necho "started $*"\nsleep 600 &\necho "$!" >> "$CHILDREN"\necho $$ >> "$STARTED"\nexec sleep 600\n'


def test_a_component_that_ends_by_itself_is_started_again_and_one_that_is_stopped_is_not(tmp_path: Path) -> None:
    (tmp_path / "airflow").write_text(AIRFLOW)
    (tmp_path / "airflow").chmod(0o755)
    started, children = tmp_path / "started", tmp_path / "children"
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "STARTED": str(started),
        "CHILDREN": str(children),
    }
    command = [sys.executable, "-c", COMPONENT, str(started)]
    said = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    for child in children.read_text().split():
        os.kill(int(child), 9)
    assert "ProcessLookupError" in said.stderr, said.stderr  # the second one was ended
    assert len(started.read_text().split()) == 2
    assert "started scheduler --skip-serve-logs" in said.stdout
    assert "ended with code -9 and is started again in 1 s" in said.stdout
