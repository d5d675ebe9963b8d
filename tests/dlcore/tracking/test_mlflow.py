"""An MLflow run has a training's parameters, metrics and model; what is gone on from goes on in it and tells no step twice."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from dlcore import Accuracy, Artifact, EveryEpochs, MLflow, Output, Progress
from tests.dlcore.run.test_fit_here import columns, training

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated"
)  # MLflow's models, in SQLAlchemy 2.1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def files_go_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's files lie below the working folder, where no server says otherwise."""
    monkeypatch.chdir(tmp_path)


def test_a_resumed_training_goes_on_in_the_same_run(tumours: pd.DataFrame, tmp_path: Path, store: str) -> None:
    first, again = (MLflow(experiment="tumours", store=store) for _ in range(2))
    given = columns(tumours) | {"validation": tumours, "folder": str(tmp_path / "run")}
    watched = training(metrics=[Accuracy()], commit=EveryEpochs())
    watched.fit(tumours, **given, callbacks=[first], on_progress=lambda record: record.epoch == 2)
    fitted = watched.fit(tumours, **given, callbacks=[again])
    outputs = {"score": Output("double")}
    artifact = fitted.export(tmp_path / "artifact", outputs=outputs)
    again.keep(tmp_path / "artifact")
    assert first.run_id == again.run_id
    client = MlflowClient(store)
    run = client.get_run(str(first.run_id))
    assert run.info.status == "FINISHED"
    expected = {"batch": "64", "schedule": "Constant(lr=0.05)", "rows": "569", "workers": "1"}
    assert expected.items() <= run.data.params.items()
    assert "torch" in run.data.params and "processors" in run.data.params["processor"]
    told = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "accuracy")]
    assert told == [(each.step, each.metrics["accuracy"]) for each in fitted.history]
    kept = client.download_artifacts(run.info.run_id, "model", str(tmp_path))
    models: dict[str, Any] = {"model": training().model}
    assert Artifact.load(kept, models=models, outputs=outputs).id == artifact.id


def test_a_run_is_gone_on_with_by_its_id_and_a_failed_one_says_so(tumours: pd.DataFrame, store: str) -> None:
    def fails(record: Progress) -> None:
        raise KeyError("mine")

    client = MlflowClient(store)
    made = client.create_run(client.create_experiment("mine")).info.run_id
    callbacks = [MLflow(experiment="mine", store=store, run_id=made)]
    with pytest.raises(KeyError, match="mine"):
        training().fit(tumours, **columns(tumours), callbacks=callbacks, on_progress=fails)
    assert client.get_run(made).info.status == "FAILED"
    assert client.get_run(made).data.params["epochs"] == "4"


def test_without_mlflow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r"pip install 'emberline\[mlflow\]'"):
        MLflow(experiment="tumours")
