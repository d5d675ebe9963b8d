import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from infra import processes
from tests.services import wait_for

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


CLEANS_UP = """
import subprocess, sys, time
from infra.processes import end_as_by_ctrl_c
end_as_by_ctrl_c()
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
beside, apart = subprocess.Popen(sleeper), subprocess.Popen(sleeper, start_new_session=True)
try:
    print(beside.pid, apart.pid, flush=True)
    time.sleep(600)
finally:
    print("cleaned up", beside.wait(), apart.poll(), flush=True)
    apart.kill()
"""


def test_terminated_a_program_cleans_up_and_ends_what_it_started_in_its_group() -> None:
    """Started as a shell's job in the background, which ignores Ctrl-C."""
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, CLEANS_UP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        assert len(program.stdout.readline().split()) == 2
        program.terminate()
        assert program.stdout.readline() == "cleaned up -15 None\n"


# A task that submits: it starts a JVM's stand-in, which starts a driver that hangs and hears nothing.
DRIVER = """
import os, signal, sys, time
from infra.processes import end_with_parent, end_with_submitter
end_with_parent()
end_with_submitter(int(os.environ["EMBERLINE_SUBMITTER"]))
print(os.getppid(), os.getpid(), flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
JVM = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(600)"
TASK = """
import os, subprocess, sys, time
os.environ["EMBERLINE_SUBMITTER"] = str(os.getpid())
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
time.sleep(600)
"""
SUPERVISOR = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", *sys.argv[1:]]).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("killed", ["task", "supervisor"])
def test_what_a_task_submitted_is_killed_with_it_or_with_its_supervisor(killed: str) -> None:
    command = [sys.executable, "-c", SUPERVISOR, TASK, JVM, DRIVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as supervisor:
        assert supervisor.stdout is not None
        try:
            task = psutil.Process(int(supervisor.stdout.readline()))
            jvm, driver = map(psutil.Process, map(int, supervisor.stdout.readline().split()))
            watchdog = wait_for(
                lambda: [one for one in processes.session_members(supervisor.pid) if str(jvm.pid) in one.cmdline()]
            )
            (task if killed == "task" else supervisor).kill()
            wait_for(lambda: not any(map(works, (jvm, driver, *watchdog))), patience_s=60)
        finally:
            for process in processes.session_members(supervisor.pid):
                process.kill()


def works(process: psutil.Process) -> bool:
    """Whether a process has not ended, reaped or not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_was_submitted_by_a_task_that_is_gone_ends_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    environment = os.environ | {"EMBERLINE_SUBMITTER": str(gone.pid)}
    with subprocess.Popen([sys.executable, "-c", JVM, DRIVER], env=environment) as jvm:
        assert jvm.wait(timeout=60) == -9
