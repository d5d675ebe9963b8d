"""Pictures that were delivered more than once: the first of a day keeps its place, and a day before comes first."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def once(verdicts: DataFrame, earlier: DataFrame) -> DataFrame:
    """The verdicts; of good pictures of one name or one content all but the first are refused, as are those of ``earlier`` (key, sha256).

    So a picture is in one split, whatever it is called there.
    """
    good = F.col("rule").isNull()
    named = Window.partitionBy("name", good).orderBy("source")
    alike = Window.partitionBy("sha256", good).orderBy("name", "source")
    before = earlier.groupBy("sha256").agg(F.min("key").alias("before"))
    seen = verdicts.withColumns(
        {"same_name": F.row_number().over(named), "first_name": F.first("name").over(alike)}
    ).withColumn("same_content", F.row_number().over(alike))
    judged = (
        seen.join(before, "sha256", "left")
        .withColumn("found", _why())
        .withColumn("reason", F.coalesce("reason", F.concat_ws(": ", "found.rule", "found.why")))
        .withColumn("rule", F.coalesce("rule", "found.rule"))
    )
    return judged.withColumn("reason", F.when(F.col("rule").isNotNull(), F.col("reason"))).select(*verdicts.columns)


def _why() -> Column:
    """Rule and why of a good picture that is a repetition; null for any other."""
    bytes_of = F.lit("a picture must be new, this has the bytes of ")
    return (
        F.when(F.col("rule").isNotNull(), None)
        .when(F.col("same_name") > 1, _refusal("name", F.lit("a name must be one picture's, another file has it")))
        .when(F.col("before").isNotNull(), _refusal("duplicate", F.concat(bytes_of, F.col("before"))))
        .when(F.col("same_content") > 1, _refusal("duplicate", F.concat(bytes_of, F.col("first_name"))))
    )


def _refusal(rule: str, why: Column) -> Column:
    return F.struct(F.lit(rule).alias("rule"), why.alias("why"))


def later(rows: DataFrame, after: DataFrame) -> dict[str, int]:
    """By day, how many of the pictures ``after`` (ds, sha256) have the content of one of ``rows``."""
    found = after.join(rows.select("sha256"), "sha256").groupBy("ds").count().orderBy("ds")
    return {row["ds"]: row["count"] for row in found.collect()}
