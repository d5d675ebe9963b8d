"""A table's schema in the metastore: made once, grown at its end under a higher version, and else refused."""

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

PROPERTY = "emberline.schema.version"


def create(spark: SparkSession, name: str, schema: StructType, version: int, folder: str) -> None:
    """Create the table where there is none; migrate one that only lacks appended columns; refuse any other change."""
    database = name.partition(".")[0]
    if not spark.catalog.databaseExists(database):
        spark.sql(f"CREATE DATABASE IF NOT EXISTS {database}")
    if not spark.catalog.tableExists(name):
        columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in schema)
        spark.sql(
            f"CREATE EXTERNAL TABLE {name} ({columns}) PARTITIONED BY (ds STRING) STORED AS PARQUET "
            f"LOCATION '{folder}' TBLPROPERTIES ('{PROPERTY}'='{version}')"
        )
    elif (found := _found(spark, name)) != (version, types(schema)):
        _migrate(spark, name, found, (version, types(schema)))


def types(schema: StructType) -> list[tuple[str, str]]:
    """Each column's name and type, in order."""
    return [(field.name, field.dataType.simpleString()) for field in schema]


def difference(found: list[tuple[str, str]], wanted: list[tuple[str, str]]) -> str:
    """What tells two lists of columns apart, as part of a sentence."""
    missing = [f"{name} {kind}" for name, kind in wanted if (name, kind) not in found]
    surplus = [f"{name} {kind}" for name, kind in found if (name, kind) not in wanted]
    if not missing and not surplus:
        return "the same columns in another order"
    return f"missing {missing or 'nothing'}, not in the schema {surplus or 'nothing'}"


Versioned = tuple[int, list[tuple[str, str]]]


def _found(spark: SparkSession, name: str) -> Versioned:
    properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {name}").collect()}
    fields = [field for field in spark.table(name).schema if field.name != "ds"]
    return int(properties.get(PROPERTY, 0)), types(StructType(fields))


def _migrate(spark: SparkSession, name: str, found: Versioned, wanted: Versioned) -> None:
    (version, present), (newer, columns) = found, wanted
    if version >= newer or columns[: len(present)] != present:
        raise ValueError(
            f"{name} has schema version {version}, this program has version {newer}: {difference(present, columns)}; "
            "a schema may only grow at its end, under a higher version; correct the schema, or drop the table"
        )
    if added := ", ".join(f"`{column}` {kind}" for column, kind in columns[len(present) :]):
        spark.sql(f"ALTER TABLE {name} ADD COLUMNS ({added})")
    spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('{PROPERTY}'='{newer}')")
