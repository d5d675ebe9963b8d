"""An archive of the classes that a step's JVM loads (JEP 350), made once at set-up: with it Spark starts in half the time."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra import spark
from infra.settings import Settings, load

# What the steps do, in small: each statement makes the JVM load the classes of one part of Spark.
REHEARSAL = """
import sys
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").enableHiveSupport().getOrCreate()
spark.sql("CREATE DATABASE IF NOT EXISTS rehearsal")
spark.sql("CREATE TABLE rehearsal.t (a BIGINT, b DOUBLE) PARTITIONED BY (ds STRING) STORED AS PARQUET")
rows = spark.range(1000).selectExpr("id AS a", "rand(1) AS b").repartition(2)
rows.write.parquet(sys.argv[1] + "/p")
spark.sql(f"ALTER TABLE rehearsal.t ADD PARTITION (ds='1') LOCATION '{sys.argv[1]}/p'")
table = spark.table("rehearsal.t")
table.join(table.groupBy("a").count(), "a").selectExpr("sum(b) OVER (ORDER BY a) AS s", "xxhash64(a)").collect()
spark.read.text(sys.argv[1] + "/p").selectExpr("from_csv(value, 'a INT')", "_metadata.file_path").limit(1).collect()
table.mapInArrow(lambda batches: batches, table.schema).collect()
LogisticRegression(featuresCol="v", labelCol="l", maxIter=2).fit(
    VectorAssembler(inputCols=["b"], outputCol="v").transform(table).selectExpr("v", "CAST(a % 2 AS INT) AS l")
)
spark.stop()
"""


def make(settings: Settings) -> Path:
    """Rehearse what the steps do in a scratch state folder, and keep the archive of the classes that it loaded."""
    archive = spark.class_archive()
    archive.unlink(missing_ok=True)  # a JVM cannot archive on top of an archive
    settings.state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.state) as scratch:
        rehearsal = load([f"state={scratch}", *base(Path(scratch))])
        environment = os.environ | spark.configure(rehearsal)
        aside = Path(scratch) / "classes.jsa"
        environment["SPARK_SUBMIT_OPTS"] += f' "-XX:ArchiveClassesAtExit={aside}"'
        script = Path(scratch) / "rehearsal.py"
        script.write_text(REHEARSAL)
        ended = subprocess.run(
            ["spark-submit", str(script), scratch], env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode or not aside.exists():
            raise RuntimeError(f"this Java made no class archive; the rehearsal ended with:\n{ended.stderr[-2000:]}")
        shutil.move(aside, archive)
    return archive


def base(scratch: Path) -> list[str]:
    """Settings of the rehearsal beyond its state folder: none of the user's tables or metastore is touched."""
    return [f"warehouse={scratch}/warehouse", "metastore="]


def main(overrides: list[str]) -> None:
    """Make the archive, or say why there is none; a Java that cannot make it is no reason to stop."""
    try:
        print(f"      {make(load(overrides))}")
    except ValueError as refused:
        raise SystemExit(str(refused)) from None
    except RuntimeError as refused:
        print(f"{refused}\n      each step starts some seconds later without it, else all is well")


if __name__ == "__main__":
    main(sys.argv[1:])
