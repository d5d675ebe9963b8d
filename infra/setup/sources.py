"""Data that apps bring: an app whose folder has a ``data.py`` is asked by it for its landing files, before anything is installed.

Such a module takes the standard library alone and has ``INPUTS`` (texts that its data depend on), ``landed(landing)`` (whether
they are there) and ``land(landing, scratch, *, python)`` (bring them about; ``python`` has pip), which raises ValueError with a
sentence for data that are not what they must be.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from infra.setup.provisions import Provision

PREFIX = "data-"
"""What the names of data's provisions begin with; the app's follows."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One app's ``data.py``."""

    app: str
    file: Path

    def provision(self, state: Path, python: Path) -> Provision:
        module, landing = self._loaded(), state / "landing"
        return Provision(
            name=f"{PREFIX}{self.app}",
            inputs=tuple(module.INPUTS),
            make=partial(module.land, landing, state / "download" / self.app, python=python),
            present=partial(module.landed, landing),
        )

    def _loaded(self) -> ModuleType:
        """The module by its path: set-up imports no app."""
        spec = importlib.util.spec_from_file_location(f"{self.app}_data", self.file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.file} cannot be read as a module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def sources(apps: Path) -> Iterator[Source]:
    """Every app that brings data."""
    for file in sorted(apps.glob("*/data.py")):
        yield Source(app=file.parent.name, file=file)
