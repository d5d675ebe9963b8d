"""Dates of a table that were made from rows that have since been replaced, or had not arrived: they are to be made again."""

from collections.abc import Iterable, Mapping

from pyspark.sql import SparkSession

from infra.tables.hive import Table

MISSING = ""
"""What stands for the fingerprint of a date that was not there."""


def source_key(table: Table, ds: str) -> str:
    """By what a snapshot names the date of a table that it was made from."""
    return f"{table} ds={ds}"


def stale(spark: SparkSession, *, source: Table, table: Table, dates: Iterable[str]) -> dict[str, str]:
    """Those of ``dates`` that ``table`` has and that were made from other rows of ``source`` than there are, each with why."""
    present = set(source.dates(spark))
    kept = sorted(set(dates) & set(table.dates(spark)))
    inputs = {ds: _days(table.inputs(spark, ds), source) for ds in kept}
    reached = {day for days in inputs.values() for day in days}
    now = {day: source.current(spark, day).fingerprint if day in present else MISSING for day in reached}
    reasons = {ds: _changed(days, now) for ds, days in inputs.items()}
    return {
        ds: f"{table} ds={ds} is stale: {source} {reason}; make it again" for ds, reason in reasons.items() if reason
    }


def _days(inputs: Mapping[str, str], source: Table) -> dict[str, str]:
    """The fingerprints that a snapshot has of ``source``, by date."""
    prefix = source_key(source, "")
    return {key.removeprefix(prefix): found for key, found in inputs.items() if key.startswith(prefix)}


def _changed(made_of: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What has become of the rows of some dates since, as part of a sentence."""
    said = [
        f"ds={ds} {'has arrived since' if found == MISSING else 'has other rows since'}"
        for ds, found in sorted(made_of.items())
        if found != now[ds]
    ]
    return " and ".join(said)
