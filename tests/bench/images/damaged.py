"""A thousand damaged pictures through the load step: ``python -m tests.bench.images.damaged [COUNT]``, each accounted for by its rule.

A day of the sample's pictures with as many damaged ones (bit flips, truncations, other types) goes into an HBase, a Hive and a Spark
session of the bench's own; every file is in the catalogue or in quarantine, or the bench fails.
"""

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from apps.images import data
from apps.images.recipe import CELLS, STEPS
from infra import processes
from infra import spark as engine
from infra.hbase.service import Service
from infra.settings import Settings
from pipelines.runner.run import Run

COUNT, SEED = 1000, 11
DAY = "2024-03-01"


def deliver(landing: Path, count: int) -> int:
    """Land the day, and say how many pictures it has."""
    folder = landing / "images" / f"ds={DAY}"
    data.deliver(folder, ("train", "val", "test"))
    for name, picture in data.damaged(data.pictures(data.SAMPLE), count, SEED):
        (folder / "JPEGImages" / name).write_bytes(picture)
    return len(data.pictures(folder))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    processes.end_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state=Path(folder) / "state", driver_memory="2g")
        delivered = deliver(Path(settings.landing), count)
        run = Run(app="images", id="bench", ds=DAY, member=0, params={"shown": 12}, settings=settings)
        try:
            measured(run, delivered)
        finally:
            Service(settings=settings).stop()


def measured(run: Run, delivered: int) -> None:
    """Load the day, and print what became of every picture."""
    step = STEPS["load"].build(replace(run, reads=frozenset()))
    spark = engine.session("bench", run.settings, hive=True)
    began = time.monotonic()
    outcome = step.run(spark)
    seconds = time.monotonic() - began
    refused = CELLS.tables.quarantine.read(spark, [DAY]).collect()
    kept = {row["name"] for row in CELLS.tables.catalogue.read(spark, [DAY]).select("name").collect()}
    spark.stop()
    rules = Counter(row["rule"] for row in refused)
    assert len(kept) + len(refused) == len(kept | {row["name"] for row in refused}) == delivered, outcome.rows
    print(f"{delivered:,} pictures in {seconds:.1f} s: {outcome.rows}")
    for rule, pictures in rules.most_common():
        print(f"{rule:<14} {pictures:5,}")
    looked = sum(name.startswith("damaged") for name in kept)
    print(f"{looked:,} damaged ones decode, so they cannot be told from pictures (a JPEG has no checksum)")


if __name__ == "__main__":
    main()
