"""The images application: pictures of blood cells by day into HBase, judged, prepared, and the cells in them found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.pictures.pictures import Pictures
from pipelines.pictures.stages import pictures

if TYPE_CHECKING:
    from features.pictures.dataframe import Encoding
    from features.pictures.preparing import Preparation
    from pipelines.pictures.detection.detector import Detector
    from pipelines.pictures.intake.judging import Rules

CLASSES = ("RBC", "WBC", "Platelets")
SHORT = 480
"""Dots of the shorter side of prepared pictures: those of the sample as they are."""


def rules() -> Rules:
    from pipelines.pictures.intake.judging import Rules

    return Rules(classes=CLASSES, sides=(64, 4096))


def preparation() -> Preparation:
    from features.pictures.chains import Chain
    from features.pictures.geometry import ShortSide
    from features.pictures.preparing import Preparation

    return Preparation(chain=Chain((ShortSide(SHORT),)))


def encoding() -> Encoding:
    from features.pictures.dataframe import Jpeg

    return Jpeg()


def detector() -> Detector:
    from pipelines.pictures.detection.detector import ANY_WAY_UP, Detector

    return Detector(classes=CLASSES, chain=ANY_WAY_UP)


CELLS = Pictures(
    name="images",
    title="Blood cells in pictures",
    rules=rules,
    preparation=preparation,
    encoding=encoding,
    detector=detector,
)

STEPS = pictures(CELLS)
