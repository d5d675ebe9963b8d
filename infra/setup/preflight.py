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
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.setup.sources import PREFIX

DISK_GB = {"cuda": 12.0, "cpu": 6.0}  # by PyTorch's build: the environment, the installer's cache, data and a run
DOWNLOADED = ("installer", "environment", PREFIX)
PIPS_OWN_INDEX = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The least that a machine must have, and the addresses it must reach where packages must still be downloaded."""

    disk_gb: float = DISK_GB["cuda"]
    memory_gb: float = 7.5  # what a machine sold with 8 GB shows
    pythons: tuple[tuple[int, int], tuple[int, int]] = ((3, 11), (3, 13))
    addresses: tuple[tuple[str, str], ...] = ()  # each with what to do where it does not answer

    @classmethod
    def of_set_up(cls, torch: str, undone: Collection[str], state: Path) -> "Needs":
        """What the ``undone`` provisions of set-up need with PyTorch's build ``torch``, beyond what ``state`` holds already."""
        if not any(name.startswith(DOWNLOADED) for name in undone):
            return cls(disk_gb=1.0)
        packages = tuple((address, "name another by PIP_INDEX_URL") for address in (index(),) if address)
        disk_gb = DISK_GB[torch] - _size_gb(state / "venv") if "environment" in undone else 0.0
        return cls(disk_gb=max(1.0, disk_gb), addresses=packages)

    def missing(self, folder: Path) -> list[str]:
        """One sentence for each thing that this machine lacks, ``folder`` being where everything is to go."""
        found = [*self._interpreter(), *self._machine(), *self._disk(folder)]
        return found + [lack for address, otherwise in self.addresses for lack in _network(address, otherwise)]

    def _interpreter(self) -> Iterator[str]:
        low, high = self.pythons
        if not low <= sys.version_info[:2] <= high:
            known = f"{low[0]}.{low[1]} to {high[0]}.{high[1]}"
            yield f"Python must be {known}, got {platform.python_version()}; name another with: make PYTHON=python3.11"
        if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
            yield "Python's venv module is not installed; on Debian: apt-get install python3-venv"

    def _machine(self) -> Iterator[str]:
        if (system := platform.system()) != "Linux":
            yield f"the system must be Linux, got {system}; a Linux container or virtual machine serves"
        if (machine := platform.machine()) != "x86_64":
            yield f"the processor must be x86_64 (MKL and OpenVINO are built for it), got {machine}"
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        if memory < self.memory_gb:
            yield f"memory must be at least {self.memory_gb:g} GB, got {memory:.1f} GB"

    def _disk(self, folder: Path) -> Iterator[str]:
        place = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(place).free / 1e9
        if free < self.disk_gb:
            less = DISK_GB["cuda"] - DISK_GB["cpu"]
            otherwise = f"; EMBERLINE_TORCH=cpu takes {less:g} GB less" if self.disk_gb > DISK_GB["cpu"] else ""
            yield f"{place} must have {self.disk_gb:.1f} GB free, got {free:.1f} GB{otherwise}"


def _size_gb(folder: Path) -> float:
    return sum(file.lstat().st_blocks for file in folder.rglob("*")) * 512 / 1e9


def _network(address: str, otherwise: str) -> Iterator[str]:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=15).close()
    except urllib.error.HTTPError:
        return  # it answered, so it is there; what it serves is pip's business
    except (urllib.error.URLError, OSError) as error:
        host = urllib.parse.urlsplit(address).hostname  # not the address: it may hold a password
        yield f"the package index on {host} must be reachable, got: {error}; {otherwise}"


def index(python: str = sys.executable) -> str:
    """The package index that the pip of ``python`` uses, by its configuration or by itself, for uv does not read pip's; "" without pip."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if address := os.environ.get(name):
            return address
    return _said(python, "-m", "pip", "config", "get", "global.index-url") or _said(python, "-c", PIPS_OWN_INDEX)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
