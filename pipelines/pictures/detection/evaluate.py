"""Judge a trained detector on pictures that it has not seen, and write the candidate that may be published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from torch import nn

from dlcore import Artifact
from dlcore.scoring.artifact import WEIGHTS
from dlcore.scoring.prediction import Prediction
from dlcore.zoo.pretrained import read_state
from pipelines.outcome import Outcome, Rows
from pipelines.pictures.detection import sections
from pipelines.pictures.detection.detector import MODEL, OUTPUTS, PICTURE, Detector, network
from pipelines.pictures.detection.frames import Frames
from pipelines.pictures.detection.judged import Judged, Predict, judged, surest
from pipelines.pictures.detection.shown import tiles
from pipelines.pictures.detection.train import Trained
from pipelines.quantise import Candidate, precision

SEEN = "seen"
"""The artifact's file of the contents of the pictures that it was trained on, or had its thresholds chosen on."""


@dataclass(frozen=True, kw_only=True)
class EvaluateDetector:
    """Judge on the split ``test``, choose thresholds on ``val``, write the artifact to ``into``; the report draws ``shown`` pictures.

    The artifact is a function of pictures and settings alone: neither run nor hour is in it.
    """

    frames: Frames
    trained: Trained
    detector: Detector
    versions: Mapping[str, str]
    into: Path
    shown: int = 12

    def run(self, spark: SparkSession) -> Outcome:
        predict = Prediction(module=self.module(), features=PICTURE, outputs=OUTPUTS, transform=self.detector.transform)
        val, test = (judged(self.frames.read(spark, split), predict, self.detector.metric) for split in ("val", "test"))
        candidate = self.candidate(spark, self.details(val, test, surest(val)))
        return self.outcome(spark, candidate, val, test, predict)

    def module(self) -> nn.Module:
        """The trained network."""
        found = network(len(self.detector.classes) + 1)
        found.load_state_dict(read_state(self.trained.folder / WEIGHTS))
        return found.eval()

    def candidate(self, spark: SparkSession, details: Mapping[str, object]) -> Artifact:
        return Artifact.save(
            str(self.into),
            model=MODEL,
            arguments={"classes": len(self.detector.classes) + 1},
            tensors=read_state(self.trained.folder / WEIGHTS),
            features=PICTURE,
            outputs=OUTPUTS,
            transform=self.detector.transform,
            files={SEEN: self.frames.seen(spark, "train", "val").tobytes()},
            models={MODEL: network},
            details=details,
        )

    def details(self, val: Judged, test: Judged, thresholds: Mapping[str, float]) -> dict[str, object]:
        return {
            "classes": list(self.detector.classes),
            "thresholds": dict(thresholds),
            "validation": val.figures,
            "test": test.figures,
            "pictures": {"train": self.trained.pictures, "val": len(val.pictures), "test": len(test.pictures)},
            "data": [each.content for each in self.frames.partitions],
            "versions": dict(self.versions),
        }

    def outcome(self, spark: SparkSession, candidate: Artifact, val: Judged, test: Judged, predict: Predict) -> Outcome:
        figures, count = test.figures, len(test.pictures)
        said = (
            f"mean precision {figures['voc07']:.3f} (VOC07) and {figures['area']:.3f} (area) on {count:,} test pictures"
        )
        thresholds = self.detector.thresholds(candidate.details)
        drawn = tiles(self.frames.read(spark, "test"), predict, thresholds, self.shown)
        return Outcome(
            summary=said,
            headline=said,
            rows=Rows(taken=count + len(val.pictures), given=count + len(val.pictures)),
            metrics={name: figures[name] for name in ("voc07", "area")} | {"val_voc07": val.figures["voc07"]},
            facts={
                "Test pictures": f"{count:,}",
                "VOC07": f"{figures['voc07']:.4f}",
                "Area": f"{figures['area']:.4f}",
                "Model": candidate.id[:12],
            },
            result=Candidate(folder=self.into, version=candidate.id),
            sections=sections.evaluated(val, test, thresholds, drawn),
        )


def predicted(artifact: Artifact, rows: DataFrame) -> DataFrame:
    """The rows with what the artifact finds in them, in the precision that it is to be used in."""
    return artifact.predict(rows, precision=precision(artifact))


def loaded(folder: str, detector: Detector) -> Artifact:
    """A detector's artifact with the code that it is asked by."""
    return Artifact.load(folder, models={MODEL: network}, outputs=OUTPUTS, transform=detector.transform)
