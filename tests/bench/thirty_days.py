"""Thirty days one by one, and again out of order, one late, one delivered twice: ``python -m tests.bench.thirty_days [--days N]``.

Simulated card transactions, small, by the steps of the app: each day is taken in with the labels that are due, and engineered as soon as
the days and labels that it looks back on are there. Every partition of both ways must have the same rows; what each way took is told.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from apps.handbook import columns
from apps.handbook.recipe import HANDBOOK
from apps.handbook.simulation import Simulation, land
from infra import spark as engine
from infra.settings import Settings, load
from infra.tables.hive import Table
from pipelines import outcome
from pipelines.binary.stages import Steps
from pipelines.binary.tabular import Tabular
from pipelines.runner import params
from pipelines.runner.perform import write
from pipelines.runner.run import Run

SCALE = 0.02
SCHEMA = Path("apps") / "handbook" / "params.json"


def app_in(database: str) -> Tabular:
    """The app with its tables in a database of its own."""

    def moved(table: Table) -> Table:
        return replace(table, database=database)

    labels = replace(columns.LABELS, table=moved(columns.LABEL_TABLE))
    return replace(HANDBOOK, rows=moved(HANDBOOK.rows), features=moved(HANDBOOK.features), labels=labels)


@dataclass(kw_only=True)
class Way:
    """One way for days to come: into tables of its own, from a landing folder of its own."""

    spark: SparkSession
    name: str
    settings: Settings
    waiting: list[str] = field(default_factory=list)

    @property
    def app(self) -> Tabular:
        return app_in(f"thirty_{self.name}")

    def arrive(self, ds: str) -> None:
        """Take a day in, with the labels that are due on it, and engineer it and whoever waited for it."""
        self.do("ingest", ds)
        self.do("labels", ds)
        self.waiting = sorted({*self.waiting, ds})
        self.waiting = [day for day in self.waiting if not self.engineered(day)]

    def engineered(self, ds: str) -> bool:
        """Whether the day could be engineered; it is refused while days or labels that it looks back on are not there."""
        try:
            self.do("engineer", ds)
        except LookupError:
            return False
        return True

    def do(self, step: str, ds: str) -> None:
        values = params.validated(params.schema(SCHEMA), {})
        run = Run(app="handbook", id=self.name, ds=ds, member=0, params=values, settings=self.settings)
        left = getattr(Steps(app=self.app), step)(run).run(self.spark)
        write(outcome.file(run.folder, f"{step}@{ds}"), left.to_json())

    def tables(self) -> dict[str, tuple[str, int]]:
        """The fingerprint and the number of rows of every partition."""
        assert self.app.labels is not None
        return {
            f"{table.name} {ds}": (pin.fingerprint, pin.rows)
            for table in (self.app.rows, self.app.labels.table, self.app.features)
            for ds in table.dates(self.spark)
            for pin in [table.current(self.spark, ds)]
        }


def disturbed(days: Sequence[str]) -> list[str]:
    """The days in turned threes, the one a third of the way only after two thirds."""
    turned = [day for begin in range(0, len(days), 3) for day in reversed(days[begin : begin + 3])]
    late = days[len(days) // 3]
    turned.remove(late)
    turned.insert(2 * len(days) // 3, late)
    return turned


def timed(way: Way, days: Sequence[str]) -> float:
    began = time.monotonic()
    for ds in days:
        way.arrive(ds)
    if way.waiting:
        raise SystemExit(f"{way.name}: {', '.join(way.waiting)} could not be engineered though all days have come")
    return time.monotonic() - began


def deliver_twice(landing: Path, ds: str) -> None:
    """A second file with the same lines."""
    (first,) = (landing / "handbook" / f"ds={ds}").glob("*.csv")
    shutil.copy(first, first.with_name(f"z-{first.name}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    given = parser.parse_args()
    days = [str(columns.FIRST_DAY + timedelta(days=number)) for number in range(given.days)]
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch)
        own = {name: str(state / name) for name in ("warehouse", "registry")}
        settings = load().model_copy(update={"state": state, **own})
        spark = engine.session("bench thirty_days", settings, hive=True)
        rows = Simulation.scaled(SCALE, days=given.days, seed=Simulation.seed).rows(spark)
        took, tables = {}, {}
        land(rows, str(state / "landing-in_order"))
        shutil.copytree(state / "landing-in_order", state / "landing-disturbed")
        deliver_twice(state / "landing-disturbed", days[given.days // 2])
        for name, order in {"in_order": days, "disturbed": disturbed(days)}.items():
            landing = state / f"landing-{name}"
            way = Way(spark=spark, name=name, settings=settings.model_copy(update={"landing": str(landing)}))
            took[name], tables[name] = timed(way, order), way.tables()
        spark.stop()
    other = [part for part, found in tables["in_order"].items() if tables["disturbed"].get(part) != found]
    if other or tables["in_order"].keys() != tables["disturbed"].keys():
        raise SystemExit(f"these partitions differ from those of days in order: {', '.join(other)}")
    seconds = ", ".join(f"{name} {found / given.days:.1f} s a day" for name, found in took.items())
    print(f"{given.days} days, {len(tables['in_order'])} partitions, the same rows both ways; {seconds}")


if __name__ == "__main__":
    main()
