import subprocess
import sys
from collections.abc import Iterator

import pytest

from infra import processes

# A leader whose child leaves its process group, as Airflow's tasks and Spark's Python daemon do.
FAMILY = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); print('up', flush=True); time.sleep(600)"])
{stubborn}
time.sleep(600)
"""
IGNORES = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture(params=["", IGNORES], ids=["obedient", "ignores signals"])
def leader(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    script = FAMILY.format(stubborn=request.param)
    started = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "up\n"
        yield started
        for process in processes.session_members(started.pid):
            process.kill()


def test_a_session_is_known_whole_weighed_and_ended_whole(leader: subprocess.Popen[str]) -> None:
    assert len(processes.session_members(leader.pid)) == 2
    assert 1e6 < processes.memory_bytes(leader.pid) < 1e9
    processes.end(leader.pid, patience_s=1.0)
    assert processes.session_members(leader.pid) == []
