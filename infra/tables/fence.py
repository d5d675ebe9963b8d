"""Fencing of writers: of all that write one partition, the latest to begin wins whole, and each other one says so.

A log of numbered files decides. A writer begins by creating the next number (its claim), and commits by creating the
number right after its claim: whoever began in between holds that number, so the earlier writer cannot. Nothing is locked,
so a writer that died or sleeps holds nobody up. Each mark has a name of its own: whether it is in the log is read from the
log, never from what the file system answered.

A number is given once for all. Old files are removed only after a base, an empty file named by a number, has made all
numbers below it void: a sleeper that wakes and finds its number free finds the base too.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import uuid4

from pyspark.sql import SparkSession

from infra import spark as engine
from infra.tables import hadoop

BASE = "base-"
PRUNED_AT = 24
"""How many marks a log may have before it is pruned."""


class Superseded(RuntimeError):
    """Another run has begun to write, or has written, what this one was to write or to read."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One number of the log: a claim, or the commit of ``snapshot`` by the claim of the same ``name`` before it."""

    number: int
    run: str
    name: str = field(default_factory=lambda: uuid4().hex)
    snapshot: str = ""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The log of one partition; ``subject`` names the partition in sentences."""

    spark: SparkSession
    folder: str
    subject: str

    def begin(self, run: str) -> Mark:
        """Claim the partition; every writer that began before can no longer commit."""
        while True:
            claim = Mark(number=max(self._numbers(), default=0) + 1, run=run)
            if self._create(claim):
                return claim

    def commit(self, claim: Mark, snapshot: str) -> None:
        """Make ``snapshot`` the partition's, or raise ``Superseded``; a commit that is in the log already stands."""
        if not self._create(Mark(number=claim.number + 1, run=claim.run, name=claim.name, snapshot=snapshot)):
            self.check(claim)

    def check(self, claim: Mark) -> None:
        """Raise ``Superseded`` if another writer has begun after ``claim``."""
        after = [number for number in self._numbers() if number > claim.number]
        if not after or (mark := self._read(after[0])).name == claim.name:
            return
        by = f"a later try of run {mark.run}" if mark.run == claim.run else f"run {mark.run}"
        raise Superseded(
            f"{self.subject}: run {claim.run} was superseded by {by}, which began to write the same partition later; "
            f"nothing of this try is kept; run the step again only if the rows of run {claim.run} are to replace the later ones"
        )

    def committed(self, *, last: int) -> list[str]:
        """The ``last`` snapshots committed, the latest last."""
        return [mark.snapshot for mark in self._commits(last)]

    def prune(self) -> None:
        """Keep the last two commits and what came after the first of them, where the log has grown long."""
        commits = self._commits(2)
        if len(commits) < 2 or len(self._numbers()) <= PRUNED_AT:
            return
        hadoop.create(self.spark, f"{self.folder}/{BASE}{commits[0].number:08d}", "")
        entries = hadoop.entries(self.spark, self.folder)
        base = _base([entry.name for entry in entries])
        for entry in entries:
            if 0 < _number(entry.name) < base:
                hadoop.delete(self.spark, entry.path)

    def _commits(self, most: int) -> list[Mark]:
        found: list[Mark] = []
        for number in reversed(self._numbers()):
            if len(found) < most and (mark := self._read(number)).snapshot:
                found.insert(0, mark)
        return found

    def _numbers(self) -> list[int]:
        """The numbers that count, in order."""
        names = [entry.name for entry in hadoop.entries(self.spark, self.folder)]
        marks = [_number(name) for name in names if not name.startswith(BASE)]
        return [number for number in marks if number >= _base(names)]

    def _create(self, mark: Mark) -> bool:
        """Put ``mark`` in the log unless its number is taken, and read there whether it is in."""
        try:
            hadoop.create(self.spark, self._file(mark.number), json.dumps(asdict(mark)))
        except (*engine.ERRORS, OSError):
            if not self._holds(mark):
                raise
        return self._holds(mark)

    def _holds(self, mark: Mark) -> bool:
        """Whether ``mark`` is in the log; one below the base is void, since its number had been given before."""
        return mark.number in self._numbers() and self._read(mark.number) == mark

    def _read(self, number: int) -> Mark:
        return Mark(**json.loads(hadoop.read(self.spark, self._file(number))))

    def _file(self, number: int) -> str:
        return f"{self.folder}/{number:08d}.json"


def _base(names: Sequence[str]) -> int:
    """The number below which all are void; every log's numbers begin with 1."""
    return max((_number(name) for name in names if name.startswith(BASE)), default=1)


def _number(name: str) -> int:
    """The number that names a file of the log; 0 for what is not one, such as a file that is still written aside."""
    digits = name.removeprefix(BASE).removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0
