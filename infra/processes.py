"""The processes of one service, all in the session that its first one leads, and those that end with whoever started them."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def session_members(leader: int) -> list[psutil.Process]:
    """Every living process of the session that ``leader`` started, whatever its process group or parent."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def end(leader: int, *, patience_s: float = 20.0) -> None:
    """Interrupt the leader and terminate the groups its tasks made; who stays is told twice more, each time harder.

    The leader ends its own group: an Airflow scheduler that is told twice forgets its idle workers, and waits for them.
    """
    try:
        os.kill(leader, signal.SIGINT)
        own = {leader}
    except ProcessLookupError:  # nobody is left to end the group in order
        own = set()
    _signal_groups(_groups(leader) - own, signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _left(leader, patience_s):
            _signal_groups(_groups(leader), number)
    if stubborn := _left(leader, patience_s):
        raise RuntimeError(f"processes {[p.pid for p in stubborn]} outlived SIGKILL; they hang in the kernel")


def _left(leader: int, patience_s: float) -> list[psutil.Process]:
    """Who of the session still lives when all others have ended, or after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while (left := session_members(leader)) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.5)
    return left


def _groups(leader: int) -> set[int]:
    """The process groups of a session."""
    found = set()
    for process in session_members(leader):
        with suppress(ProcessLookupError):
            found.add(os.getpgid(process.pid))
    return found


def _signal_groups(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(group, number)


def end_as_by_ctrl_c() -> None:
    """Have SIGTERM end this process as Ctrl-C does, cleaning up, and with it those of its group that it started."""
    signal.signal(signal.SIGTERM, _interrupted)


def _interrupted(number: int, _: FrameType | None) -> NoReturn:
    for process in psutil.Process().children(recursive=True):
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == os.getpgrp():
                process.send_signal(number)
    raise KeyboardInterrupt


def memory_bytes(leader: int) -> int:
    """Resident memory of a session, each shared page counted once (proportional set size)."""
    return sum(_proportional(process.pid) for process in session_members(leader))


def _proportional(pid: int) -> int:
    """One process's share of memory; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; a driver deep in its own work would notice much later."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended just before the request
        os.kill(os.getpid(), signal.SIGKILL)


WATCHDOG = """
import os, select, signal, sys
target, *watched = map(int, sys.argv[1:])
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
try:
    held = os.pidfd_open(target)
except ProcessLookupError:
    sys.exit()
lost = False
looks = select.poll()
looks.register(held, select.POLLIN)
for pid in watched:
    try:
        looks.register(os.pidfd_open(pid), select.POLLIN)
    except ProcessLookupError:
        lost = True
if lost or held not in [ready for ready, _ in looks.poll()]:
    signal.pidfd_send_signal(held, signal.SIGKILL)
"""
"""Kills its first process once one of the others has ended; ends with the first."""


def end_with_submitter(submitter: int) -> None:
    """Have our parent, Spark's JVM, killed when the process that submitted it ends, or the one that watches over that.

    It is done by a process of its own, since a driver may hang. Whoever submitted us and is no ancestor any more has ended.
    """
    jvm, *above = psutil.Process().parents()
    pids = [process.pid for process in above]
    if submitter not in pids:
        jvm.kill()  # and we with it
        return
    watched = pids[pids.index(submitter) :][:2]
    command = [sys.executable, "-I", "-S", "-c", WATCHDOG, *map(str, (jvm.pid, *watched))]
    nothing = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)]
    os.posix_spawn(command[0], command, os.environ, file_actions=nothing)
