"""Deliveries of real pictures, and the steps that take them in, on tables of a test's own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from apps.images import data
from apps.images.recipe import CELLS, CLASSES
from infra.hbase.service import Service
from pipelines.pictures.catalogue import Tables
from pipelines.pictures.intake.delivery import Delivery
from pipelines.pictures.intake.judging import Rules
from pipelines.pictures.intake.load import Load
from pipelines.pictures.intake.storing import Storing
from pipelines.pictures.stages import Steps
from pipelines.pictures.store import Store
from tests.hbase import made

DS, NEXT = "2024-03-01", "2024-03-02"
SAMPLE = data.SAMPLE
NAMES = [file.stem for file in data.pictures(SAMPLE)]
RULES = Rules(classes=CLASSES, sides=(64, 4096))


class Day:
    """A day's folder below a landing folder, in VOC's layout, to which pictures of the sample are delivered."""

    def __init__(self, landing: Path, ds: str, app: str = "images") -> None:
        self.landing, self.ds, self.app = landing, ds, app
        self.folder = landing / app / f"ds={ds}"

    def deliver(self, *names: str, split: str = "train", annotated: bool = True) -> None:
        for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(SAMPLE / "JPEGImages" / f"{name}.jpg", self.picture(f"{name}.jpg"))
            if annotated:
                shutil.copyfile(SAMPLE / "Annotations" / f"{name}.xml", self.annotation(name))
        if annotated:
            with (self.folder / "ImageSets" / "Main" / f"{split}.txt").open("a") as lines:
                lines.writelines(f"{name}\n" for name in names)

    def picture(self, name: str) -> Path:
        return self.folder / "JPEGImages" / name

    def annotation(self, name: str) -> Path:
        return self.folder / "Annotations" / f"{name}.xml"

    @property
    def delivery(self) -> Delivery:
        return Delivery(root=str(self.landing), folder=f"{self.app}/ds={self.ds}")


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path / "landing", DS)


@pytest.fixture
def next_day(tmp_path: Path) -> Day:
    return Day(tmp_path / "landing", NEXT)


@pytest.fixture
def tables(database: str) -> Tables:
    return Tables(database=database)


@pytest.fixture
def store(hbase: Service) -> Store:
    address = hbase.start()
    return Store(address=address, table=made(address))


@pytest.fixture
def load(store: Store, tables: Tables) -> Callable[[Day], Load]:
    """The step that takes a day in."""

    def of(day: Day) -> Load:
        return Load(
            delivery=day.delivery,
            storing=Storing(rules=RULES, store=store, ds=day.ds),
            tables=tables,
            judge=Steps(app=CELLS).judge(RULES),
            run_id="run-1",
        )

    return of


@pytest.fixture
def keys(spark: SparkSession, store: Store) -> Callable[[str], list[str]]:
    """The keys of a day that HBase holds."""
    return lambda ds: sorted(row["key"] for row in store.keys(spark, ds).collect())
