"""Steps of an application run in one process as the command line runs them: each with the outcomes that its stage declares."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import SparkSession

from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Outcome
from pipelines.runner.perform import write
from pipelines.runner.run import Run, Stage


def perform(spark: SparkSession, run: Run, name: str, stages: Mapping[str, Stage]) -> Outcome:
    """Run a step and leave its outcome to later ones."""
    stage = stages[name]
    step = stage.build(replace(run, reads=frozenset((*stage.reads, *stage.may_read))))
    left = step.run(None if stage.session == "none" else spark)
    write(outcome.file(run.folder, stage.instance(name, run)), left.to_json())
    return left


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs steps of the application ``app`` with ``params``."""

    spark: SparkSession
    app: str
    stages: Mapping[str, Stage]
    settings: Settings
    params: Mapping[str, Any]

    def do(self, run_id: str, step: str, ds: str, **given: Any) -> Outcome:
        """Run one step of a run on a date; ``given`` are parameters in place of ``params``."""
        params = {**self.params, **given}
        run = Run(app=self.app, id=run_id, ds=ds, member=0, params=params, settings=self.settings)
        return perform(self.spark, run, step, self.stages)
