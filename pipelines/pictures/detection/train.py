"""Train a detector on the pictures of the training split, from ImageNet's weights."""

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from dlcore.zoo.pretrained import read_state
from pipelines.fit import Fit
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.detection import sections
from pipelines.pictures.detection.detector import PICTURE, TARGETS, Detector, pretrained
from pipelines.pictures.detection.frames import Frames


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The folder of the weights, and how many pictures they were trained on."""

    folder: Path
    pictures: int


@dataclass(frozen=True, kw_only=True)
class TrainDetector:
    """Fit ``detector`` with ``workers`` Spark tasks and write its weights to ``into``; ``weights`` is the file of its backbone's.

    What it learns is a function of the pictures and the settings alone. Pictures of the split ``val`` are judged after each epoch.
    """

    frames: Frames
    detector: Detector
    weights: Path
    batch: int
    epochs: int
    seed: int
    workers: int
    into: Path

    def run(self, spark: SparkSession) -> Outcome:
        rows, held_out = (self.frames.labelled(split, spark) for split in ("train", "val"))
        pictures = rows.count()
        if not pictures:
            raise LookupError(
                "no picture of these days is in the split train; deliver lists of splits with the pictures"
            )
        training = self.detector.training(pictures=pictures, batch=self.batch, epochs=self.epochs, seed=self.seed)
        fit = Fit(
            training=training,
            features=PICTURE,
            label=TARGETS,
            workers=self.workers,
            into=self.into,
            identity=self.frames.identity,
            start=pretrained(read_state(self.weights)),
        )
        fitted = fit.on(rows, held_out)
        last = fitted.history[-1]
        reached = last.metrics[self.detector.metric.name]
        return Outcome(
            summary=f"{last.step} steps over {pictures:,} pictures, loss {last.loss:.3f}, mean precision {reached:.3f} on val",
            rows=Rows(taken=pictures, given=pictures),
            metrics={"loss": last.loss, "voc07": reached, "rows_per_s": last.rows_per_s, "seconds": last.seconds},
            result=Trained(folder=self.into, pictures=pictures),
            sections=(sections.learned(fitted.history),),
        )
