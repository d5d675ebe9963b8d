"""The registry of a run's app, and who is champion in it for this run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.runner.run import Run

if TYPE_CHECKING:
    from pipelines.registry import Registry


def champion(run: Run) -> str | None:
    """The version that publishing left as champion in this run; where nothing was published, the registry's, if it has one."""
    if not run.did("publish"):
        return registry(run).pointers().champion
    from pipelines.publish import Published

    return run.result("publish", Published).champion


def registry(run: Run) -> Registry:
    from pipelines.registry import Registry

    return Registry(folder=Path(run.settings.registry) / run.app)
