"""The report of a run by its app's title: of every step that left an outcome, with the run's settings and the versions it ran on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from infra import spark
from pipelines.runner.run import Run

if TYPE_CHECKING:
    from pipelines.report import Report


def reported(run: Run, title: str) -> Report:
    """The step that writes it."""
    from pipelines.report import Report

    return Report(
        folder=run.folder,
        into=run.settings.report_file(run.app, run.id),
        title=title,
        run_id=run.id,
        settings={
            "parameters": run.params,
            "platform": run.settings.model_dump(mode="json"),
            "versions": versions() | {"python": platform.python_version(), "java": spark.java()},
        },
    )


def versions() -> dict[str, str]:
    """The code that a run is made by."""
    return {package: version(package) for package in ("emberline", "torch", "pyspark")}
