"""Fencing of writers: of all that write one partition, the latest to begin wins whole, and each other one says so.

A log of numbered files decides. A writer begins by creating the next number (its claim), and commits by creating the
number right after its claim: whoever began in between holds that number, so the earlier writer cannot. Each number is
created once for all (``hadoop.create``); nothing is locked, so a writer that died or sleeps holds nobody up. The log is
never pruned, since a freed number would let a sleeper in.
"""

import json
from dataclasses import asdict, dataclass

from pyspark.sql import SparkSession

from infra.tables import hadoop


class Superseded(RuntimeError):
    """Another run has begun to write, or has written, what this one was to write or to read."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One number of the log: a claim, or the commit of ``version`` by the claim before it."""

    number: int
    run: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The log of one partition; ``subject`` names the partition in sentences."""

    spark: SparkSession
    folder: str
    subject: str

    def begin(self, run: str) -> Mark:
        """Claim the partition; every writer that began before can no longer commit."""
        number = self._last() + 1
        while not self._create(claim := Mark(number=number, run=run)):
            number += 1
        return claim

    def commit(self, claim: Mark, version: str) -> None:
        """Make ``version`` the partition's, or raise ``Superseded``."""
        if not self._create(Mark(number=claim.number + 1, run=claim.run, version=version)):
            self.check(claim)

    def check(self, claim: Mark) -> None:
        """Raise ``Superseded`` if another writer has begun after ``claim``."""
        if not hadoop.exists(self.spark, self._file(claim.number + 1)):
            return
        later = self._read(claim.number + 1).run
        by = f"a later try of run {later}" if later == claim.run else f"run {later}"
        raise Superseded(
            f"{self.subject}: run {claim.run} was superseded by {by}, which began to write the same partition later; "
            f"nothing of this try is kept; run the step again only if the rows of run {claim.run} are to replace the later ones"
        )

    def committed(self) -> list[str]:
        """Every version committed so far, the latest last."""
        marks = [self._read(number) for number in self._numbers()]
        return [mark.version for mark in marks if mark.version]

    def _last(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        names = [entry.name for entry in hadoop.entries(self.spark, self.folder)]
        return [int(name.removesuffix(".json")) for name in names if not name.startswith(".")]

    def _create(self, mark: Mark) -> bool:
        return hadoop.create(self.spark, self._file(mark.number), json.dumps(asdict(mark)))

    def _read(self, number: int) -> Mark:
        return Mark(**json.loads(hadoop.read(self.spark, self._file(number))))

    def _file(self, number: int) -> str:
        return f"{self.folder}/{number:08d}.json"
