"""What the report shows of a day's pictures: how many of what, some of them with their boxes, and those that were refused with why."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.outcome import Rows
from pipelines.pictures.drawing import address, colour
from pipelines.section import Card, Column, Grid, Line, Listing, Section, Tile


def loaded(good: DataFrame, bad: DataFrame, rows: Rows, shown: int) -> tuple[Section, ...]:
    """The pictures that were let in by split and class, and the others by the rule that they break."""
    counted = good.groupBy(F.coalesce("split", F.lit("none")).alias("split")).agg(
        F.count("*").alias("pictures"), F.sum("objects").alias("objects"), F.sum("dropped").alias("dropped")
    )
    splits = [row.asDict() for row in counted.orderBy("split").collect()]
    objects, dropped = (sum(split[name] for split in splits) for name in ("objects", "dropped"))
    cards = (
        Card(name="Pictures let in", value=f"{rows.given:,}", note=f"of {rows.taken:,} delivered"),
        Card(name="Quarantined", value=f"{rows.quarantined:,}", note="each with its reason, below"),
        Card(name="Objects", value=f"{objects:,}", note=f"{dropped:,} more dropped for their boxes"),
    )
    pictures = Section(heading="Pictures", place=20, cards=cards, parts=(_classes(good, splits),))
    return pictures, refused(bad, rows.quarantined, shown)


def _classes(good: DataFrame, splits: Sequence[Mapping[str, object]]) -> Listing:
    """One line a split: its pictures, and its objects by class."""
    pairs = good.select(F.coalesce("split", F.lit("none")).alias("split"), F.inline("counts"))
    found = pairs.groupBy("split", "label").agg(F.sum("objects").alias("objects")).collect()
    counts = {(row["split"], row["label"]): row["objects"] for row in found}
    labels = sorted({label for _, label in counts})
    columns = (
        Column(title="Split"),
        *(Column(title=name, style="number") for name in ("Pictures", "Objects", *labels)),
    )
    lines = tuple(
        Line(
            cells=(
                str(one["split"]),
                f"{one['pictures']:,}",
                f"{one['objects']:,}",
                *(f"{counts.get((one['split'], label), 0):,}" for label in labels),
            )
        )
        for one in splits
    )
    return Listing(title="What was let in", columns=columns, lines=lines)


def refused(bad: DataFrame, count: int, shown: int, what: str = "were not let in") -> Section:
    """Refused pictures by rule, and some of each rule as far as they can be seen."""
    if not count:
        return Section(heading="Quarantine", place=40)
    rules = bad.groupBy("rule").agg(F.count("*").alias("pictures"), F.min("reason").alias("example")).orderBy("rule")
    lines = tuple(Line(cells=(row["rule"], f"{row['pictures']:,}", row["example"])) for row in rules.collect())
    columns = (Column(title="Rule"), Column(title="Pictures", style="number"), Column(title="For example"))
    return Section(
        heading="Quarantine",
        place=40,
        text=f"{count:,} pictures {what}. Every picture that was delivered is either in the catalogue or here.",
        parts=(
            Listing(columns=columns, lines=lines),
            Grid(title="As far as they can be seen", tiles=_some(bad, shown)),
        ),
    )


def _some(bad: DataFrame, shown: int) -> tuple[Tile, ...]:
    """The first of each rule, then the second of each, and so on; those that can be seen come first."""
    place = F.row_number().over(Window.partitionBy("rule").orderBy(F.col("thumbnail").isNull(), "name"))
    rows = bad.withColumn("place", place).orderBy("place", "rule").limit(shown).collect()
    return tuple(
        Tile(picture=address(row["thumbnail"]), caption=row["name"], note=row["reason"], bad=True) for row in rows
    )


def prepared(tiles: Sequence[Tile], classes: Sequence[str], note: str) -> Section:
    """Some prepared pictures with their boxes."""
    legend = {label: colour(number) for number, label in enumerate(classes)}
    grid = Grid(title="Some of them, as models see them", note=note, legend=legend, tiles=tuple(tiles))
    return Section(heading="Pictures", place=20, parts=(grid,))


def warnings(bad: DataFrame) -> tuple[str, ...]:
    """How many pictures were refused by each rule."""
    counted = bad.groupBy("rule").count().orderBy("rule").collect()
    return tuple(f"{row['count']:,} pictures quarantined: {row['rule']}" for row in counted)
