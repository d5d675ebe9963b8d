"""An MLflow run of a training: its settings as parameters, its figures as metrics while they come, and its model; an extra."""

import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pyarrow import fs

from dlcore.step.progress import Progress
from dlcore.step.tuning import processor
from dlcore.storage.folder import Folder, Place
from dlcore.tracking.callbacks import Callback, Run

FOLDER = "dlcore.folder"
LONGEST_VALUE = 6000
MOST_METRICS = 1000
"""What MLflow takes: characters of a parameter, and metrics of a message."""


@dataclass(kw_only=True)
class MLflow(Callback):
    """Writes an MLflow run of ``experiment`` at ``store``, a tracking URI; MLflow's own setting says where, unless one is given.

    A training that is gone on from goes on in the run of its folder, or in ``run_id``, which is the run's once it has begun: no step is
    told twice, and its first parameters stay. ``keep`` puts the model into it.
    """

    experiment: str
    store: str | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        if find_spec("mlflow") is None:
            raise ImportError(
                "a run is written for MLflow by its own package, which is not installed: pip install 'emberline[mlflow]', or leave the "
                "callback MLflow out"
            )

    def begin(self, run: Run) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else each run is told to MLflow's makers
        from mlflow import MlflowClient  # here, since it is an extra, and workers have no need of it

        self._client, self._before = MlflowClient(self.store), sys.exc_info()[1]
        self.run_id = self.run_id or self._run_of(run)
        self._client.update_run(self.run_id, status="RUNNING")
        self._last = max((each.step for each in self._client.get_metric_history(self.run_id, "loss")), default=0)
        self._log_parameters(self.run_id, run)

    @property
    def _begun(self) -> str:
        if self.run_id is None:
            raise RuntimeError("there is no MLflow run yet: a training that has the callback begins it")
        return self.run_id

    def _run_of(self, run: Run) -> str:
        """The newest MLflow run of the folder, where the training is gone on from; else a new one."""
        found = self._client.get_experiment_by_name(self.experiment)
        number = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
        if run.step:
            same = f"tags.`{FOLDER}` = {json.dumps(run.folder)}"
            for each in self._client.search_runs([number], same, order_by=["start_time DESC"], max_results=1):
                return str(each.info.run_id)
        return str(self._client.create_run(number, tags={FOLDER: run.folder}).info.run_id)

    def _log_parameters(self, run_id: str, run: Run) -> None:
        from mlflow.entities import Param

        chosen = {"rows": run.rows, "workers": run.workers, "torch": torch.__version__, "processor": processor()}
        known = self._client.get_run(run_id).data.params
        new = {
            name: str(each)[:LONGEST_VALUE] for name, each in {**run.settings, **chosen}.items() if name not in known
        }
        self._client.log_batch(run_id, params=[Param(name, each) for name, each in new.items()])

    def record(self, record: Progress) -> None:
        from mlflow.entities import Metric

        if record.step <= self._last:
            return
        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, each, now_ms, record.step) for name, each in record.figures.items()]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(self._begun, metrics[start : start + MOST_METRICS])

    def end(self) -> None:
        failed = sys.exc_info()[1] is not self._before  # this is called while an error is on its way
        self._client.set_terminated(self._begun, "FAILED" if failed else "FINISHED")

    def keep(self, folder: Place, *, name: str = "model") -> None:
        """Put the files of a folder into the run, such as an artifact's: ``keep(fitted.export(...).folder)``."""
        source: Any = Folder.of(folder)
        with TemporaryDirectory() as copy:
            fs.copy_files(
                source.path, copy, source_filesystem=source.system, destination_filesystem=fs.LocalFileSystem()
            )
            self._client.log_artifacts(self._begun, copy, name)
