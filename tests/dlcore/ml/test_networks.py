"""Networks in Spark ML: in pipelines, grids and cross-validation, saved and loaded with the same predictions."""

import gc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import BinaryClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlcore.ml.networks import NetworkClassifier, NetworkRegressor, probabilities, raw
from tests.dlcore.ml.networks import binary, classes, number


@pytest.fixture(scope="module")
def frame(spark: SparkSession, tumours: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(tumours.rename(columns={"benign": "label"})).repartition(2).cache()


@pytest.fixture(scope="module")
def vectors(frame: DataFrame) -> VectorAssembler:
    return VectorAssembler(inputCols=frame.columns[:-1], outputCol="features")


def test_a_pipeline_trains_adds_vectors_and_is_saved_and_loaded(
    frame: DataFrame, vectors: VectorAssembler, tmp_path: Path
) -> None:
    network = NetworkClassifier(binary, rate=0.05, width=4, workers=2, probabilityCol="chances")
    pipeline = Pipeline(stages=[vectors, network])
    pipeline.write().overwrite().save(f"{tmp_path}/pipeline")
    model = Pipeline.load(f"{tmp_path}/pipeline").fit(frame)
    scored = model.transform(frame)
    assert scored.columns == [*frame.columns, "features", "rawPrediction", "chances", "prediction"]
    assert BinaryClassificationEvaluator().evaluate(scored) > 0.95
    rows = scored.select("label", "chances", "rawPrediction", "prediction").collect()
    assert all(row.prediction == float(row.chances[1] > row.chances[0]) for row in rows)
    assert all(row.rawPrediction[0] == -row.rawPrediction[1] for row in rows)
    model.save(f"{tmp_path}/model")
    again = PipelineModel.load(f"{tmp_path}/model")
    last: Any = again.stages[-1]
    assert last.values() == {"rate": 0.05, "width": 4}
    assert again.transform(frame).select("chances").collect() == scored.select("chances").collect()


@pytest.mark.filterwarnings("ignore:unclosed running multiprocessing pool:ResourceWarning")  # of Spark ML's tuning
def test_a_grid_varies_hyperparameters(frame: DataFrame, vectors: VectorAssembler) -> None:
    network, rows = NetworkClassifier(binary, rate=0.05, epochs=1), vectors.transform(frame)
    grid = ParamGridBuilder().addGrid(network.getParam("rate"), [1e-6, 0.1]).build()
    given: dict[str, Any] = {"estimator": network, "estimatorParamMaps": grid, "seed": 1}
    crossed = CrossValidator(**given, evaluator=BinaryClassificationEvaluator(), numFolds=2).fit(rows)
    assert crossed.avgMetrics[1] > crossed.avgMetrics[0]
    best: Any = crossed.bestModel
    assert best.values() == {"rate": 0.1, "epochs": 1}
    split = TrainValidationSplit(**given, evaluator=BinaryClassificationEvaluator(), trainRatio=0.7).fit(rows)
    best = split.bestModel
    assert best.values()["rate"] == 0.1
    gc.collect()  # while the warning is ignored


def test_validation_rows_classes_and_numbers(frame: DataFrame, vectors: VectorAssembler) -> None:
    rows = vectors.transform(frame).withColumn("held_out", F.rand(1) < 0.3)
    marked = NetworkClassifier(classes, rate=0.05, validationIndicatorCol="held_out").fit(rows)
    assert all(record.validation is not None for record in marked.fitted.history)
    assert BinaryClassificationEvaluator().evaluate(marked.transform(rows)) > 0.8
    regressor = NetworkRegressor(number, rate=0.01, predictionCol="found").fit(rows)
    found = regressor.transform(rows)
    assert found.schema["found"].dataType.simpleString() == "double"
    assert RegressionEvaluator(predictionCol="found", metricName="rmse").evaluate(found) < 0.6


def test_what_cannot_be_saved_or_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a function of a module"):
        NetworkClassifier(lambda rate: binary(rate), rate=0.1).save(str(tmp_path / "a"))
    with pytest.raises(ValueError, match="a name that no param or method has, got 'copy'"):
        NetworkClassifier(binary, copy=1)


def test_one_output_is_the_logit_of_the_second_of_two_classes() -> None:
    one, two = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    torch.testing.assert_close(raw(one), torch.tensor([[-0.0, 0.0], [-2.0, 2.0]]))
    torch.testing.assert_close(probabilities(one), torch.tensor([[0.5, 0.5], [0.1192, 0.8808]]), rtol=0, atol=1e-4)
    torch.testing.assert_close(probabilities(two)[1], probabilities(one)[1])
