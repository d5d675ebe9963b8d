"""Learn codes of objects from the detector's features: without labels, from crops of the training pictures and these turned."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from torch import nn
from torch.optim import SGD

from dlcore import Artifact, Constant, Field, Output, Training
from dlcore.scoring.prediction import Prediction
from dlcore.zoo.deepbit import DeepBit, Objective, Pooled, begin, changed_bits
from dlcore.zoo.projections import Projection, itq, random_projection
from features.codes.retrieval import retrieval_precision
from infra.tables import hadoop
from pipelines.fit import Fit
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.codes import sections
from pipelines.pictures.codes.coder import CODER, TURNED, WIDTH, pooled, saved
from pipelines.pictures.codes.cropping import TURNS, Cropping, annotated
from pipelines.pictures.detection.detector import Detector
from pipelines.pictures.detection.evaluate import loaded
from pipelines.pictures.detection.frames import Frames

RATE, MOMENTUM, BATCH, EPOCHS, ROTATION = 0.1, 0.9, 64, 10, 3.0
SAMPLE = 10_000
"""Objects at most that come to the driver: to begin with, and to be searched."""
QUERIES, AMONG = 1_000, 50
"""Objects of test pictures that are searched for, and how many look-alikes of each are judged."""
FEATURES = {
    "turned": Output("array<float>", lambda found: found.flatten(1)),
    "features": Output("array<float>", lambda found: found[:, len(TURNS) // 2]),
}


@dataclass(frozen=True, kw_only=True)
class Coded:
    """The artifact of detector and coder, which publishing takes up."""

    folder: Path
    version: str


@dataclass(frozen=True, kw_only=True)
class LearnCodes:
    """Add a coder of ``bits`` to the ``detector``'s artifact in ``candidate``, and write both as one to ``into``.

    DeepBit begins from ITQ's projection of the features of training objects, where these are more than bits, else from a random one, and
    goes on in two stages. Objects of test pictures are searched among those of training pictures, where one of the same class is right,
    beside the codes of these projections.
    """

    frames: Frames
    candidate: Path
    detector: Detector
    bits: int
    seed: int
    workers: int
    into: Path

    def run(self, spark: SparkSession) -> Outcome:
        artifact = loaded(str(self.candidate), self.detector)
        features = pooled(artifact.module()).eval()
        known, asked = (self.described(spark, features, split) for split in ("train", "test"))
        upright = matrix(sampled(known, SAMPLE), "features")
        layer = self.learned(known, upright)
        saved(features, layer, self.into / CODER, classes=len(self.detector.classes) + 1, bits=self.bits)
        whole = artifact.with_files({CODER: self.into / CODER}, folder=str(self.into / "artifact"))
        figures = self.figures(layer, known, asked, upright)
        return self.outcome(whole, figures, known.count())

    def described(self, spark: SparkSession, features: Pooled, split: str) -> DataFrame:
        """key, place, label and features of the objects of a split, upright and turned, in files of the run."""
        crops = Cropping(framed=annotated, classes=self.detector.classes, turns=TURNS)(self.frames.read(spark, split))
        folder = hadoop.uri(self.into / f"{split}-features")
        found = Prediction(module=features, features=TURNED, outputs=FEATURES)(crops)
        found.drop("crop", "thumbnail", "error").write.mode("overwrite").parquet(folder)
        return spark.read.parquet(folder)

    def learned(self, rows: DataFrame, upright: NDArray[np.float32]) -> nn.Module:
        """DeepBit's layer after both stages."""
        start = begin(next(iter(projections(upright, bits=self.bits, seed=self.seed).values())), upright)
        plan = partial(
            Training,
            model=partial(DeepBit, features=WIDTH, bits=self.bits),
            loss=changed_bits,
            optimizer=partial(SGD, momentum=MOMENTUM),
            schedule=Constant(lr=RATE),
            batch=BATCH,
            epochs=EPOCHS,
            seed=self.seed,
        )
        fit = partial(
            Fit,
            features=Field("turned", shape=(len(TURNS), WIDTH)),
            label="place",
            workers=self.workers,
            identity=self.frames.identity,
        )
        ordered = rows.orderBy("key", "place").select("turned", "place")
        first = fit(training=plan(step=Objective(rotation=0.0)), into=self.into / "first", start=start).on(ordered)
        second = fit(training=plan(step=Objective(rotation=ROTATION)), into=self.into / "second", start=first)
        return second.on(ordered).module

    def figures(
        self, layer: nn.Module, known: DataFrame, asked: DataFrame, upright: NDArray[np.float32]
    ) -> dict[str, float]:
        """Mean average precision of look-alikes by the codes of each method."""
        gallery, queries = sampled(known, SAMPLE), sampled(asked, QUERIES)
        encoders: dict[str, Callable[[NDArray[np.float32]], NDArray[np.uint8]]] = {
            "DeepBit": partial(encoded, layer),
            **projections(upright, bits=self.bits, seed=self.seed),
        }
        rows = matrix(gallery, "features"), matrix(queries, "features")
        classes = [np.array(each.select("label").toArrow()["label"].to_pylist()) for each in (gallery, queries)]
        return {
            name: retrieval_precision(
                encode(rows[1]), classes[1], among=encode(rows[0]), known=classes[0], n=min(AMONG, len(rows[0]))
            )
            for name, encode in encoders.items()
        }

    def outcome(self, whole: Artifact, figures: dict[str, float], objects: int) -> Outcome:
        said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        return Outcome(
            summary=f"codes of {self.bits} bits from {objects:,} objects; mean average precision of look-alikes: {said}",
            rows=Rows(taken=objects, given=objects),
            metrics={"retrieval": figures["DeepBit"]},
            facts={"Model": whole.id[:12], "Look-alikes": f"{figures['DeepBit']:.4f}"},
            result=Coded(folder=self.into / "artifact", version=whole.id),
            sections=(sections.learned(figures, self.bits, AMONG),),
        )


def projections(features: NDArray[np.float32], *, bits: int, seed: int) -> dict[str, Projection]:
    """Those that so many rows allow, the best first: about their mean N rows vary in N - 1 directions, and ITQ takes a bit from each."""
    found = {"ITQ": itq(features, bits=bits, seed=seed)} if len(features) > bits else {}
    return {**found, "Random projection": random_projection(features, bits=bits, seed=seed)}


def sampled(rows: DataFrame, most: int) -> DataFrame:
    """Up to so many objects, always the same ones, in one order."""
    return rows.orderBy(F.xxhash64("key", "place"), "key", "place").limit(most)


def matrix(rows: DataFrame, column: str) -> NDArray[np.float32]:
    """A column of arrays [N, D] on the driver, as a copy: Arrow's own memory cannot be written to, and torch warns of it."""
    found = rows.select(column).toArrow()[column].combine_chunks()
    return np.array(found.flatten().to_numpy(), np.float32).reshape(len(found), -1)


def encoded(layer: nn.Module, features: NDArray[np.float32]) -> NDArray[np.uint8]:
    with torch.inference_mode():
        codes: NDArray[np.uint8] = layer(torch.from_numpy(features)).numpy()
    return codes
