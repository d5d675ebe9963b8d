"""The processes of one service: everything in the operating-system session that its first process leads."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil


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


def end(leader: int, *, patience_s: float = 60.0) -> None:
    """Interrupt the leader's group, terminate the groups its tasks made, and kill what is left after ``patience_s``."""
    _signal_groups([leader], signal.SIGINT)
    _signal_groups({os.getpgid(p.pid) for p in session_members(leader)} - {leader}, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (left := session_members(leader)) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.5)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)
    if stubborn := session_members(leader):
        raise RuntimeError(f"processes {[p.pid for p in stubborn]} outlived SIGKILL; they hang in the kernel")


def _signal_groups(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue


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
