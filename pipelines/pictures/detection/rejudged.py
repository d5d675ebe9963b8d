"""A detector as it works in a precision: thresholds chosen anew, mean precision on test pictures, pictures a second, beside fp32."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from dlcore import Artifact
from pipelines.outcome import Rows
from pipelines.pictures.detection.detector import Detector
from pipelines.pictures.detection.frames import Frames
from pipelines.pictures.detection.judged import Judged, judged, surest
from pipelines.quantise import Chosen, Precision
from pipelines.section import Column, Line, Listing

TIMED = 64
"""Pictures at most, to see how quick it is."""


@dataclass(frozen=True, kw_only=True)
class Rejudged:
    """Chooses a detector's thresholds anew on the split ``val`` as it works in a precision, and judges it anew on ``test``."""

    frames: Frames
    detector: Detector

    def __call__(self, artifact: Artifact, precision: Precision) -> Chosen:
        spark = SparkSession.getActiveSession()
        assert spark is not None
        val = self.judged(spark, artifact, precision, "val")
        tests = {each: self.judged(spark, artifact, each, "test") for each in dict.fromkeys(("f32", precision))}
        test = tests[precision]
        return Chosen(
            details={"thresholds": surest(val), "validation": val.figures, "test": test.figures},
            rows=Rows(taken=len(val.pictures) + len(test.pictures), given=len(val.pictures) + len(test.pictures)),
            metrics={f"test_{test.metric.name}": test.figures[test.metric.name]},
            parts=(compared(tests, self.rates(spark, artifact, tests)),),
        )

    def judged(self, spark: SparkSession, artifact: Artifact, precision: Precision, split: str) -> Judged:
        def predict(rows: DataFrame) -> DataFrame:
            return artifact.predict(rows, precision=precision)

        return judged(self.frames.read(spark, split), predict, self.detector.metric)

    def rates(
        self, spark: SparkSession, artifact: Artifact, precisions: Mapping[Precision, Judged]
    ) -> dict[str, float]:
        """Pictures a second of this process by precision, decoding and detections among it."""
        some = self.frames.labelled("val", spark).limit(TIMED).toArrow()
        return {each: rate(artifact, some, each) for each in precisions}


def rate(artifact: Artifact, pictures: pa.Table, precision: Precision) -> float:
    artifact.predict(pictures.slice(0, 1), precision=precision)  # which compiles the model
    before = time.perf_counter()
    artifact.predict(pictures, precision=precision)
    return len(pictures) / (time.perf_counter() - before)


def compared(tests: Mapping[Precision, Judged], rates: Mapping[str, float]) -> Listing:
    """Mean precision on test pictures, and how many of them a second, by precision."""
    columns = ("Mean precision, VOC07", "Mean precision, area", "Pictures a second")
    return Listing(
        columns=(Column(title="On test pictures"), *(Column(title=name, style="number") for name in columns)),
        lines=tuple(
            Line(
                cells=(
                    name,
                    f"{each.figures['voc07']:.4f}",
                    f"{each.figures['area']:.4f}",
                    f"{rates[name]:.1f}",
                )
            )
            for name, each in tests.items()
        ),
    )
