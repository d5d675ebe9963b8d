"""The description of an application on pictures of objects: all that is the application's own, in one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.pictures.catalogue import Tables

if TYPE_CHECKING:
    from features.pictures.dataframe import Encoding
    from features.pictures.preparing import Preparation
    from pipelines.pictures.detection.detector import Detector
    from pipelines.pictures.intake.judging import Rules


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures that land below ``name/ds=DATE`` with annotations like VOC's go to HBase and the catalogue, and are prepared.

    ``rules`` say which pictures are let in and which objects there are; ``preparation`` makes models' pictures of them, kept as
    ``encoding`` makes bytes of them; ``detector`` is what finds objects in them. They are functions, since what they import takes
    seconds that not every step needs. ``regions`` is how many parts the embedded HBase's table is made in. The parameters of a run that
    steps read are shown, and of a training also epochs, batch, workers and seed.
    """

    name: str
    title: str
    rules: Callable[[], Rules]
    preparation: Callable[[], Preparation]
    encoding: Callable[[], Encoding]
    detector: Callable[[], Detector]
    regions: int = 4

    @property
    def tables(self) -> Tables:
        """Its tables in Hive, in a database of its name."""
        return Tables(database=self.name)
