"""Detections held against truths in Spark's tasks are what the metric says of them here; thresholds are those of the highest F1."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlcore import Artifact
from dlcore.zoo.mean_precision import MeanPrecision
from features.pictures.preparing import pack, unpack
from pipelines.pictures.detection.detector import FOUND, Detector, truths
from pipelines.pictures.detection.judged import Judged, detections, judged, surest
from pipelines.pictures.detection.sections import evaluated
from pipelines.section import Listing

CLASSES = ("round", "square")
METRIC = MeanPrecision(classes=CLASSES)
ROWS = "key string, width int, height int, targets binary, found " + FOUND


def some_rows(pictures: int) -> list[tuple[object, ...]]:
    """Pictures of 200 x 100 dots with four objects, of which some are found, some twice, and others are false."""
    chances = np.random.default_rng(5)
    rows: list[tuple[object, ...]] = []
    for number in range(pictures):
        low = chances.uniform(0, 50, (4, 2))
        boxes, labels = np.concatenate([low, low + chances.uniform(10, 50, (4, 2))], 1), chances.integers(0, 2, 4)
        found = []
        for at in chances.integers(0, 4, 6).tolist():
            edges = boxes[at] + chances.normal(0, 2, 4)
            box = (edges / [200, 100, 200, 100]).clip(0, 1).tolist()
            found.append((int(labels[at]) + 1, float(chances.integers(1, 9)) / 10, *box))
        rows.append((f"key-{number}", 200, 100, pack(boxes, labels, chances.integers(0, 4, 4) == 0), found))
    return rows


def as_they_are(rows: DataFrame) -> DataFrame:
    return rows


@pytest.mark.parametrize("partitions", [1, 5])
def test_it_is_the_metric_of_all_pictures_however_they_are_shared_out(spark: SparkSession, partitions: int) -> None:
    rows = spark.createDataFrame(some_rows(30), ROWS).repartition(partitions)
    found = judged(rows, as_they_are, METRIC)
    local = [row.asDict(recursive=True) for row in rows.collect()]
    real = [truths(unpack(bytes(row["targets"])), row["width"], row["height"]) for row in local]
    target = {name: np.stack([each[name] for each in real]) for name in real[0]}
    state = METRIC.update([detections(row["found"]) for row in local], target)
    assert found.figures == METRIC.result(state) and 0.2 < found.figures["voc07"] < 1
    assert [*found.pictures] == sorted(row["key"] for row in local)


def test_in_a_picture_that_no_prediction_was_made_of_nothing_was_found(spark: SparkSession) -> None:
    rows = spark.createDataFrame(some_rows(3), ROWS)
    found = judged(rows, partial(DataFrame.withColumn, colName="found", col=F.lit(None).cast(FOUND)), METRIC)
    assert found.figures["voc07"] == 0 and int(found.whole["truths"].sum()) > 0


def test_no_picture_at_all_is_refused(spark: SparkSession) -> None:
    with pytest.raises(LookupError, match="no picture to judge; deliver a list of the splits"):
        judged(spark.createDataFrame([], ROWS), as_they_are, METRIC)


def test_a_classs_threshold_is_that_of_its_highest_f1() -> None:
    state = {
        "labels": torch.tensor([1, 1, 1, 1]),
        "scores": torch.tensor([0.9, 0.8, 0.7, 0.2]),
        "right": torch.tensor([True, False, True, False]),
        "truths": torch.tensor([2, 3]),
    }
    assert surest(Judged(metric=METRIC, pictures={"a": state})) == {"round": pytest.approx(0.7), "square": 1.0}


def test_each_class_has_its_own_threshold_and_figures_whatever_the_order_of_an_artifacts_details(
    spark: SparkSession, tmp_path: Path
) -> None:
    detector = Detector(classes=("square", "round"))
    saved = Artifact.save(
        str(tmp_path), model="m", arguments={}, tensors={}, details={"thresholds": {"square": 0.2, "round": 0.6}}
    )
    thresholds = detector.thresholds(Artifact.load(saved.folder).details)
    assert thresholds == [0.2, 0.6]
    found = judged(spark.createDataFrame(some_rows(30), ROWS), as_they_are, MeanPrecision(classes=detector.classes))
    listing = evaluated(found, found, thresholds, ())[0].parts[0]
    assert isinstance(listing, Listing)
    truths_of = found.whole["truths"].tolist()
    assert [line.cells[:3] for line in listing.lines] == [
        ("square", "0.20", f"{truths_of[0]}"),
        ("round", "0.60", f"{truths_of[1]}"),
    ]
