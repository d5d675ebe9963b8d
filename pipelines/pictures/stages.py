"""The stages of an application on pictures, made of its description alone.

A step's modules are imported in its function: OpenCV and Great Expectations take time to import, and no step needs all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from infra.tables import hadoop
from pipelines.outcome import Step
from pipelines.pictures import inputs
from pipelines.pictures.pictures import Pictures
from pipelines.runner.published import champion, registry
from pipelines.runner.reporting import reported, versions
from pipelines.runner.run import Run, Stage

if TYPE_CHECKING:
    from infra.expectations import Expectation
    from infra.tables.hive import Table
    from pipelines.dated.judge import Judge
    from pipelines.pictures.intake.judging import Rules
    from pipelines.pictures.results import Results
    from pipelines.pictures.store import Store

OBJECT = ("key", "place")
"""What names an object of a picture."""


def pictures(app: Pictures) -> Mapping[str, Stage]:
    """Every step of the application: by date load to neighbours; by training pin to publish; and the report."""
    steps = Steps(app=app)
    return {
        "load": Stage(steps.load, "hive", each="date"),
        "pin": Stage(steps.pin, "hive"),
        "prepare": Stage(steps.prepare, "hive", each="date", may_read=("load", "pin")),
        "train": Stage(steps.train, "spark", reads=("pin", "prepare")),
        "evaluate": Stage(steps.evaluate, "spark", reads=("pin", "prepare", "train")),
        "quantise": Stage(steps.quantise, "spark", reads=("pin", "prepare", "evaluate")),
        "codes": Stage(steps.codes, "spark", reads=("pin", "prepare", "quantise")),
        "publish": Stage(steps.publish, "spark", reads=("pin", "prepare", "codes")),
        "detect": Stage(steps.detect, "hive", each="date", reads=("prepare",), may_read=("load", "pin", "publish")),
        "encode": Stage(steps.encode, "hive", each="date", reads=("prepare", "detect"), may_read=("load", "pin")),
        "neighbours": Stage(steps.neighbours, "hive", each="date", reads=("detect", "encode")),
        "report": Stage(steps.report, "none"),
    }


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Turns a run's parameters into each step of ``app``."""

    app: Pictures

    def load(self, run: Run) -> Step:
        from pipelines.pictures.intake.delivery import Delivery
        from pipelines.pictures.intake.load import Load
        from pipelines.pictures.intake.storing import Storing

        rules = self.app.rules()
        return Load(
            delivery=Delivery(root=hadoop.uri(run.settings.landing), folder=f"{self.app.name}/ds={run.ds}"),
            storing=Storing(rules=rules, store=self.store(run), ds=run.ds),
            tables=self.app.tables,
            judge=self.judge(rules),
            run_id=run.id,
            shown=run.params["shown"],
        )

    def pin(self, run: Run) -> Step:
        from pipelines.dated.pinning import Pin

        return Pin(table=self.app.tables.catalogue, source=None, dates=run.dates)

    def prepare(self, run: Run) -> Step:
        from features.pictures.dataframe import Prepare
        from pipelines.dated.pin import HBasePin
        from pipelines.pictures.prepare import PreparePictures
        from pipelines.pictures.preparing import Preparing
        from pipelines.pictures.store import of_day

        prepare = Prepare(preparation=self.app.preparation(), targets="targets", encoding=self.app.encoding())
        return PreparePictures(
            pin=HBasePin(
                partition=inputs.catalogue(run),
                source=replace(self.store(run).rows, selection=of_day(run.ds)),
            ),
            preparing=Preparing(
                prepare=prepare, classes=self.app.rules().classes, into=run.folder / "prepared" / f"ds={run.ds}"
            ),
            quarantine=self.app.tables.unprepared,
            run_id=run.id,
            shown=run.params["shown"],
        )

    def train(self, run: Run) -> Step:
        from infra.setup import provisions, weights
        from pipelines.pictures.detection.train import TrainDetector

        return TrainDetector(
            frames=inputs.frames(run),
            detector=self.app.detector(),
            weights=weights.present(provisions.cache_folder()),
            batch=run.params["batch"],
            epochs=run.params["epochs"],
            seed=run.params["seed"],
            workers=run.params["workers"],
            into=run.folder / "detector",
        )

    def evaluate(self, run: Run) -> Step:
        from pipelines.pictures.detection.evaluate import EvaluateDetector
        from pipelines.pictures.detection.train import Trained

        return EvaluateDetector(
            frames=inputs.frames(run),
            trained=run.result("train", Trained),
            detector=self.app.detector(),
            versions=versions(),
            into=run.folder / "candidate",
            shown=run.params["shown"],
        )

    def quantise(self, run: Run) -> Step:
        from pipelines.pictures.detection.detector import TARGETS
        from pipelines.pictures.detection.evaluate import loaded
        from pipelines.pictures.detection.rejudged import Rejudged
        from pipelines.quantise import Candidate, Quantise

        frames, detector = inputs.frames(run), self.app.detector()
        return Quantise(
            candidate=run.result("evaluate", Candidate).folder,
            into=run.folder / "quantised",
            load=partial(loaded, detector=detector),
            calibration=partial(frames.labelled, "train"),
            validation=partial(frames.labelled, "val"),
            label=TARGETS,
            metric=detector.metric,
            bound=run.params["int8_bound"],
            choose=Rejudged(frames=frames, detector=detector),
        )

    def codes(self, run: Run) -> Step:
        from pipelines.pictures.codes.learn import LearnCodes
        from pipelines.quantise import Quantised

        return LearnCodes(
            frames=inputs.frames(run),
            candidate=run.result("quantise", Quantised).folder,
            detector=self.app.detector(),
            bits=run.params["bits"],
            seed=run.params["seed"],
            workers=run.params["workers"],
            into=run.folder / "codes",
        )

    def publish(self, run: Run) -> Step:
        from pipelines.pictures.codes.learn import Coded
        from pipelines.pictures.detection.meeting import DetectorMeeting
        from pipelines.publish import Publish

        return Publish(
            candidate=run.result("codes", Coded).folder,
            registry=registry(run),
            compare=DetectorMeeting(frames=inputs.frames(run), detector=self.app.detector()),
            run_id=run.id,
            keep=run.settings.versions_kept,
        )

    def detect(self, run: Run) -> Step:
        from infra.expectations import between, one_of
        from pipelines.pictures.detection.detect import Detect
        from pipelines.pictures.prepare import Prepared

        detector = self.app.detector()
        sound = between("score", 0, 1), one_of("label", detector.classes)
        return Detect(
            prepared=run.result("prepare", Prepared, run.ds),
            partition=inputs.catalogue(run),
            detector=detector,
            registry=registry(run),
            version=champion(run),
            results=self.results(run, self.app.tables.detections, OBJECT, *sound),
            shown=run.params["shown"],
        )

    def encode(self, run: Run) -> Step:
        from infra.expectations import one_of
        from pipelines.pictures.codes.encode import Encode
        from pipelines.pictures.detection.detect import Detected
        from pipelines.pictures.prepare import Prepared

        sound = one_of("label", self.app.rules().classes)
        return Encode(
            prepared=run.result("prepare", Prepared, run.ds),
            catalogue=inputs.catalogue(run),
            detections=inputs.first(run, "detect"),
            registry=registry(run),
            version=run.result("detect", Detected, run.ds).version,
            results=self.results(run, self.app.tables.codes, OBJECT, sound),
            scratch=run.folder / "coder",
        )

    def neighbours(self, run: Run) -> Step:
        from infra.expectations import between
        from pipelines.pictures.codes.neighbours import FindNeighbours
        from pipelines.pictures.detection.detect import Detected

        k = run.params["look_alikes"]
        return FindNeighbours(
            codes=inputs.first(run, "encode"),
            among=self.app.tables.codes,
            version=run.result("detect", Detected, run.ds).version,
            k=k,
            results=self.results(run, self.app.tables.neighbours, (*OBJECT, "rank"), between("rank", 1, k)),
            shown=run.params["shown"],
        )

    def report(self, run: Run) -> Step:
        return reported(run, self.app.title)

    def store(self, run: Run) -> Store:
        """The application's table in HBase, which is started and made where the settings name no other HBase."""
        from infra.hbase.service import opened
        from pipelines.pictures.store import FAMILIES, Store

        address = opened(run.settings, self.app.name, FAMILIES, regions=self.app.regions)
        return Store(address=address, table=self.app.name)

    def results(self, run: Run, table: Table, key: tuple[str, ...], *sound: Expectation) -> Results:
        """Where a date's results go, held to their schema, their key, no null, and what else is ``sound``."""
        from infra.expectations import not_null, schema, unique
        from pipelines.dated.judge import Judge
        from pipelines.pictures.results import Results

        filled = map(not_null, table.schema.names)
        return Results(
            ds=run.ds,
            table=table,
            writer=self.store(run).results,
            judge=Judge(key=key, expectations=[*schema(table.schema), unique(key), *filled, *sound]),
            run_id=run.id,
        )

    def judge(self, rules: Rules) -> Judge:
        """Holds a day's catalogue to its schema, its keys, one row a content, sizes, boxes, classes and splits."""
        from infra.expectations import between, not_null, one_of, schema, some_rows, unique
        from pipelines.dated.judge import Judge
        from pipelines.pictures.catalogue import JUDGED, OPTIONAL

        filled = [name for name in JUDGED.names if name not in OPTIONAL]
        return Judge(
            key=("key",),
            expectations=[
                some_rows(),
                *schema(JUDGED),
                unique(["key"]),
                unique(["sha256"]),
                *[not_null(name) for name in filled],
                *[between(side, *rules.sides) for side in ("width", "height")],
                *[between(wrong, 0, 0) for wrong in ("outside", "unknown")],
                one_of("split", rules.splits),
            ],
        )
