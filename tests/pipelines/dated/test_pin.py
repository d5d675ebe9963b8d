"""A pin reads the rows that were pinned, or says that they are gone."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType, StructField, StructType

from infra.tables.fence import Superseded
from infra.tables.hive import Table
from pipelines.dated.pin import FilesPin, TablePin


def test_a_partition_and_a_folder_of_the_same_rows_have_the_same_fingerprint(
    spark: SparkSession, database: str, tmp_path: Path
) -> None:
    table = Table(database=database, name="rows", schema=StructType([StructField("id", LongType())]), version=1)
    spark.range(50).repartition(3).write.parquet(str(tmp_path / "rows"))
    of_files = FilesPin.of(spark, str(tmp_path / "rows"))
    rows = spark.read.parquet(of_files.folder).repartition(2)
    first = table.stage(spark, rows, ds="2013-09-01", run="r").commit()
    of_table = TablePin(partitions=(first,))
    assert (of_table.fingerprint, of_table.rows) == (of_files.fingerprint, of_files.rows)
    assert of_table.read(spark).count() == of_files.read(spark).count() == 50
    second = table.stage(spark, spark.range(5), ds="2013-09-02", run="r").commit()
    both, turned = TablePin(partitions=(first, second)), TablePin(partitions=(second, first))
    assert both.read(spark).count() == both.rows == 55
    assert both.fingerprint == turned.fingerprint != of_table.fingerprint
    spark.range(7).write.mode("overwrite").parquet(of_files.folder)
    with pytest.raises(Superseded, match="the 50 rows this run works on were replaced by 7 others"):
        of_files.read(spark)
