"""Keras models of every kind train on two workers, are exported and score; their modes, seeds, statistics and regularisers are dlcore's."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow.dataset import dataset
from pyspark.sql import SparkSession
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from dlcore import Accuracy, Artifact, Field, Output, Training, add_ir
from dlcore.keras import KerasModule, KerasNetwork, keras, regularisers
from dlcore.step.tuning import computing_with
from tests.dlcore.run.test_fit_here import training as trained_as

layers = keras.layers


def sequential(units: int = 8) -> Any:
    hidden = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01))
    return keras.Sequential([keras.Input((30,)), hidden, layers.Dense(1, bias_regularizer="l1")])


def functional() -> Any:
    inputs = keras.Input((30,))
    hidden = layers.Dropout(0.3)(layers.BatchNormalization()(layers.Dense(8, activation="relu")(inputs)))
    return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([inputs, layers.GaussianNoise(0.1)(hidden)])))


class Perceptron(keras.Model):  # type: ignore[misc]
    """It is told of its mode by Keras, and has weights once it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.end = layers.Dense(8, activation="tanh"), layers.Dense(1)
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.2, seed=5)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.end(self.drop(self.norm(self.hidden(inputs)), training=training))


def subclassed() -> Any:
    model = Perceptron()
    model(keras.Input((30,)))
    return model


def pictures() -> Any:
    first = [layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D()]
    return keras.Sequential([keras.Input((8, 8, 1)), *first, layers.Flatten(), layers.Dense(10)])


def training(build: Any, **changes: Any) -> Training:
    return trained_as(model=KerasNetwork(build), **changes)


def columns(tumours: pd.DataFrame) -> dict[str, Any]:
    return {"features": [name for name in tumours.columns if name != "benign"], "label": "benign"}


def same(one: nn.Module, other: nn.Module) -> bool:
    names, others = one.state_dict(), other.state_dict()
    return names.keys() == others.keys() and all(torch.equal(each, others[name]) for name, each in names.items())


@pytest.mark.parametrize("build", [sequential, functional, subclassed])
def test_it_trains_on_two_workers_as_on_one_is_exported_and_scores(
    spark: SparkSession, tumours: pd.DataFrame, tmp_path: Path, build: Any
) -> None:
    tumours.to_parquet(tmp_path / "rows.parquet")
    rows, frame = dataset(tmp_path / "rows.parquet"), spark.read.parquet(f"{tmp_path}/rows.parquet")
    plan = training(build, logical_workers=2, penalty=regularisers if build is sequential else None)
    with computing_with(1):  # as a worker of one core
        here, fitted = (plan.fit(rows, **columns(tumours), workers=workers) for workers in (1, 2))
    assert same(fitted.module, here.module)
    assert fitted.evaluate(tumours, [Accuracy()])["accuracy"] > 0.93
    outputs = {"chance": Output("double", torch.sigmoid)}
    fitted.export(f"{tmp_path}/artifact", outputs=outputs)
    artifact = Artifact.load(f"{tmp_path}/artifact", models={"model": KerasNetwork(build)}, outputs=outputs)
    scored = artifact.predict(frame).toArrow()
    with torch.inference_mode():
        matrix = torch.tensor(tumours.iloc[:, :-1].to_numpy(), dtype=torch.float32)
        expected = fitted.module(matrix).sigmoid()[:, 0]
    np.testing.assert_allclose(scored["chance"], expected, atol=1e-6)


def test_names_are_those_of_paths_and_the_same_each_time() -> None:
    first, second = KerasNetwork(functional)(), KerasNetwork(functional)()
    assert [*first.state_dict()] == [*second.state_dict()]
    assert [name for name, _ in first.statistics.named_buffers()] == [
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
    ]
    assert [*dict(first.named_parameters())][:2] == ["dense/kernel", "dense/bias"]


@pytest.mark.parametrize("build", [functional, subclassed])
def test_modes_reach_dropout_and_batch_normalisation(build: Any) -> None:
    module, rows = KerasNetwork(build)(), torch.randn(16, 30)
    module.eval()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    assert torch.equal(module(rows), module(rows))
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    module.train()
    torch.manual_seed(1)
    drawn = module(rows)
    assert not torch.equal(drawn, module(rows))
    torch.manual_seed(1)
    assert torch.equal(drawn, module(rows))
    changed = [name for name, each in module.state_dict().items() if not torch.equal(each, before[name])]
    assert changed == [f"statistics.{name}" for name, _ in module.statistics.named_buffers()]


def test_a_resumed_run_draws_what_the_unbroken_one_draws(tumours: pd.DataFrame, tmp_path: Path) -> None:
    given = columns(tumours)
    unbroken = training(subclassed).fit(tumours, **given)
    training(subclassed).fit(tumours, **given, folder=f"{tmp_path}", on_progress=lambda record: record.epoch == 2)
    resumed = training(subclassed).fit(tumours, **given, folder=f"{tmp_path}")
    assert same(unbroken.module, resumed.module)


def test_regularisers_are_what_keras_says() -> None:
    module = KerasNetwork(sequential)()
    assert torch.equal(regularisers(module), torch.stack(module.model.losses).sum())
    assert regularisers(nn.Sequential(module)).requires_grad
    with pytest.raises(ValueError, match="needs a Keras model that regularises weights"):
        regularisers(KerasNetwork(functional)())


def test_what_would_be_lost_is_refused(tumours: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"Perceptron has no weights yet; begin it with keras.Input"):
        KerasNetwork(Perceptron)()
    active = layers.Dense(1, activity_regularizer="l2")
    with pytest.raises(ValueError, match="activity regularisers give losses of rows"):
        KerasNetwork(lambda: keras.Sequential([keras.Input((3,)), active]))()(torch.ones(2, 3))
    twins = [layers.Dense(3, name="twin"), layers.Dense(3, name="twin")]
    with pytest.raises(ValueError, match="twin"):
        KerasNetwork(lambda: keras.Sequential([keras.Input((3,)), *twins]))()
    with pytest.raises(ValueError, match="sync_batchnorm synchronises torch's own"):
        training(functional, sync_batchnorm=True).fit(tumours, **columns(tumours))


def test_a_network_of_pictures_predicts_by_openvino_for_any_number_of_rows(tmp_path: Path) -> None:
    digits = load_digits()
    rows = pd.DataFrame({"pixels": [*(digits.data / 16).astype(np.float32)], "digit": digits.target})
    plan = training(pictures, loss=cross_entropy, epochs=2)
    fitted = plan.fit(rows, features=Field("pixels", shape=(8, 8, 1)), label="digit")
    assert isinstance(fitted.module, KerasModule)
    artifact = fitted.export(f"{tmp_path}", outputs={"scores": Output("array<float>")})
    scored = add_ir(artifact, example=rows).predict(rows, precision="f32")
    expected = fitted.predict(rows, outputs={"scores": Output("array<float>")})
    np.testing.assert_allclose(np.stack(scored["scores"]), np.stack(expected["scores"]), atol=1e-4)


def test_who_does_not_use_keras_gets_neither_it_nor_torchs_compiler() -> None:
    program = "import sys, dlcore; assert not {'keras', 'torch._dynamo', 'torch._inductor'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_another_backend_is_refused_in_a_sentence() -> None:
    program = "import os; os.environ['KERAS_BACKEND'] = 'numpy'; import dlcore.keras"
    refused = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "backend for torch, got 'numpy'; set KERAS_BACKEND=torch" in refused.stderr
