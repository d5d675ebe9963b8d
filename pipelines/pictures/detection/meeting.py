"""Champion and challenger on test pictures that neither has seen: mean precision of both, and an interval of the difference."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from dlcore import Artifact
from pipelines.pictures.detection.detector import Detector
from pipelines.pictures.detection.evaluate import SEEN, loaded, predicted
from pipelines.pictures.detection.frames import CONTENT, Frames
from pipelines.pictures.detection.judged import Judged, judged
from pipelines.publish import Incomparable, Lead

CONFIDENCE, DRAWS, SEED = 0.95, 500, 7


@dataclass(frozen=True, kw_only=True)
class DetectorMeeting:
    """Lets two detectors find objects in those test pictures of ``frames`` that the champion has not seen.

    The challenger has seen none of them: they are the test pictures of its own split.
    """

    frames: Frames
    detector: Detector

    def __call__(self, spark: SparkSession | None, champion: Artifact, challenger: Artifact) -> Lead:
        assert spark is not None
        if (known := champion.details.get("classes")) != list(self.detector.classes):
            raise Incomparable(f"version {champion.id[:12]} finds other classes: {known}")
        first, second = (self.judged(spark, each, champion) for each in (champion, challenger))
        low, high = interval(first, second)
        return Lead(
            metric=self.detector.metric,
            champion=first.figures["voc07"],
            challenger=second.figures["voc07"],
            low=low,
            high=high,
            confidence=CONFIDENCE,
            rows=len(first.pictures),
        )

    def judged(self, spark: SparkSession, model: Artifact, champion: Artifact) -> Judged:
        seen = spark.createDataFrame(
            [(int(each),) for each in np.frombuffer(champion.read(SEEN), np.int64)], "content bigint"
        )
        rows = self.frames.read(spark, "test").withColumn("content", CONTENT("sha256"))
        unseen = rows.join(F.broadcast(seen), "content", "left_anti")
        if unseen.isEmpty():
            raise Incomparable(
                "the champion was trained on all test pictures of this run; train on a range with new ones"
            )
        return judged(unseen, partial(predicted, loaded(model.folder, self.detector)), self.detector.metric)


def interval(first: Judged, second: Judged) -> tuple[float, float]:
    """Where the second's lead in mean precision lies: pictures drawn with replacement, the same for both (a paired bootstrap)."""
    chances, keys = np.random.default_rng(SEED), sorted(first.pictures)
    leads = []
    for _ in range(DRAWS):
        drawn = [keys[at] for at in chances.integers(0, len(keys), len(keys))]
        both = [each.metric.merge([each.pictures[key] for key in drawn]) for each in (first, second)]
        one, other = (each.metric.result(state)["voc07"] for each, state in zip((first, second), both, strict=True))
        leads.append(other - one)
    edge = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(leads, [edge, 1 - edge])
    return float(low), float(high)
