"""What a machine must have before set-up begins, all of it named at once. Standard library alone: nothing is installed yet."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PYTHONS = ((3, 11), (3, 13))
DISK_GB = {"": 12, "cpu": 6}
TORCH_CPU = "https://download.pytorch.org/whl/cpu/"
MEMORY_GB = 7.5  # what a machine sold with 8 GB shows


def missing(folder: Path, *, torch: str = "", fetch: bool = True) -> list[str]:
    """One sentence for each thing that this machine lacks; ``fetch`` says whether packages must still be downloaded."""
    found = [*_interpreter(), *_machine()]
    if fetch:
        found += [
            *_disk(folder, DISK_GB["cpu" if torch == "cpu" else ""]),
            *_network(index(), "set PIP_INDEX_URL to one that is"),
        ]
        found += [*_network(TORCH_CPU, "leave EMBERLINE_TORCH=cpu out")] if torch == "cpu" else []
    return found


def _interpreter() -> Iterator[str]:
    low, high = PYTHONS
    if not low <= sys.version_info[:2] <= high:
        range_ = f"{low[0]}.{low[1]} to {high[0]}.{high[1]}"
        yield f"Python must be {range_}, got {platform.python_version()}; name another one with: make PYTHON=python3.11"
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        yield "Python's venv module is not installed; on Debian: apt-get install python3-venv"


def _machine() -> Iterator[str]:
    if (system := platform.system()) != "Linux":
        yield f"the system must be Linux, got {system}; a Linux container or virtual machine serves"
    if (machine := platform.machine()) != "x86_64":
        yield f"the processor must be x86_64 (MKL and OpenVINO are built for it), got {machine}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if memory < MEMORY_GB:
        yield f"the demo needs 8 GB of memory, got {memory:.1f} GB"


def _disk(folder: Path, needed_gb: int) -> Iterator[str]:
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free / 1e9
    if free < needed_gb:
        yield f"set-up needs {needed_gb} GB of free disk at {place}, got {free:.1f} GB; EMBERLINE_TORCH=cpu needs {DISK_GB['cpu']}"


def _network(address: str, otherwise: str) -> Iterator[str]:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=15).close()
    except urllib.error.HTTPError:
        return  # it answered, so it is there; what it serves is pip's business
    except (urllib.error.URLError, OSError) as error:
        host = urllib.parse.urlsplit(address).hostname  # not the address: it may hold a password
        yield f"the package index on {host} must be reachable, got: {error}; {otherwise}"


def index() -> str:
    """The package index that pip is configured with, for uv does not read pip's configuration."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if address := os.environ.get(name):
            return address
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "https://pypi.org/simple/"
