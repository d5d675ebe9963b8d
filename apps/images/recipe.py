"""The images application: pictures of blood cells by day into HBase, judged and prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.pictures.pictures import Pictures
from pipelines.pictures.stages import pictures

if TYPE_CHECKING:
    from features.pictures.dataframe import Encoding
    from features.pictures.preparing import Preparation
    from pipelines.pictures.judging import Rules

CLASSES = ("RBC", "WBC", "Platelets")
SIDE = 300
"""Of the square pictures that models see."""


def rules() -> Rules:
    from pipelines.pictures.judging import Rules

    return Rules(classes=CLASSES, sides=(64, 4096))


def preparation() -> Preparation:
    from features.pictures.chains import Chain
    from features.pictures.geometry import Resize
    from features.pictures.preparing import Preparation

    return Preparation(chain=Chain((Resize(SIDE, SIDE),)))


def encoding() -> Encoding:
    from features.pictures.dataframe import Jpeg

    return Jpeg()


CELLS = Pictures(
    name="images", title="Blood cells in pictures", rules=rules, preparation=preparation, encoding=encoding
)

STEPS = pictures(CELLS)
