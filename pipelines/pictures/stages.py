"""The stages of an application on pictures, made of its description alone.

A step's modules are imported in its function: OpenCV and Great Expectations take time to import, and no step needs all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelines.outcome import Step
from pipelines.pictures.pictures import Pictures
from pipelines.runner.reporting import reported
from pipelines.runner.run import Run, Stage

if TYPE_CHECKING:
    from pipelines.dated.judge import Judge
    from pipelines.pictures.judging import Rules
    from pipelines.pictures.store import Store


def pictures(app: Pictures) -> Mapping[str, Stage]:
    """Every step of the application: by date load and prepare; and the report."""
    steps = Steps(app=app)
    return {
        "load": Stage(steps.load, "hive", each="date"),
        "prepare": Stage(steps.prepare, "hive", each="date", reads=("load",)),
        "report": Stage(steps.report, "none"),
    }


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Turns a run's parameters into each step of ``app``."""

    app: Pictures

    def load(self, run: Run) -> Step:
        from pipelines.pictures.delivery import Delivery
        from pipelines.pictures.load import Load
        from pipelines.pictures.storing import Storing

        rules = self.app.rules()
        return Load(
            delivery=Delivery(root=run.settings.landing, folder=f"{self.app.name}/ds={run.ds}"),
            storing=Storing(rules=rules, store=self.store(run), ds=run.ds),
            tables=self.app.tables,
            judge=self.judge(rules),
            run_id=run.id,
            shown=run.params["shown"],
        )

    def prepare(self, run: Run) -> Step:
        from features.pictures.dataframe import Prepare
        from pipelines.dated.pin import HBasePin
        from pipelines.pictures.prepare import PreparePictures
        from pipelines.pictures.preparing import Preparing
        from pipelines.pictures.store import of_day

        prepare = Prepare(preparation=self.app.preparation(), targets="targets", encoding=self.app.encoding())
        return PreparePictures(
            pin=HBasePin(
                partition=run.outcome("load", run.ds).partitions[0],
                source=replace(self.store(run).rows, selection=of_day(run.ds)),
            ),
            preparing=Preparing(
                prepare=prepare, classes=self.app.rules().classes, into=run.folder / "prepared" / f"ds={run.ds}"
            ),
            quarantine=self.app.tables.unprepared,
            run_id=run.id,
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
