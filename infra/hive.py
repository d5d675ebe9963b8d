"""Hive tables partitioned by ``ds``, whose partitions are replaced whole and at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One immutable version of one partition; ``fingerprint`` is a function of the set of its rows alone."""

    table: str
    ds: str
    location: str
    fingerprint: str
    rows: int
