"""The processes of one service, all in the session that its first one leads, and those that end with whoever started them."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

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
    with suppress(ProcessLookupError):
        os.kill(leader, signal.SIGINT)
    _signal_groups(_groups(leader) - {leader}, signal.SIGTERM)
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
