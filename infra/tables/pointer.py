"""Where the metastore says that a partition is, kept at the snapshot that the fence's log committed last.

The log is the truth and the metastore follows it, for readers by SQL. A writer killed between its commit and the move of
the location has committed; whoever reads or writes the partition next moves the location in its stead.
"""

from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from infra.tables import hadoop
from infra.tables.fence import Fence, Mark

KEPT = 2
"""The current snapshot, and the one before for those who still read it."""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """One partition of ``table``, whose snapshots lie below ``folder``."""

    spark: SparkSession
    table: str
    ds: str
    folder: str
    fence: Fence

    def location(self) -> str:
        """The folder of the current snapshot, where the metastore is moved to first if it names another."""
        named, latest = self._named(), self._latest()
        if named and latest in ("", named):
            return named
        if not latest or not self.spark.catalog.tableExists(self.table):
            raise LookupError(f"{self.table} has no partition ds={self.ds}; run the step that writes it first")
        self.move()
        return latest

    def exists(self) -> bool:
        return bool(self._latest() or self._named())

    def move(self) -> None:
        """Make the metastore name the latest committed snapshot; again if another was committed meanwhile."""
        partition, moved = f"PARTITION (ds='{self.ds}')", ""
        self.spark.sql(f"ALTER TABLE {self.table} ADD IF NOT EXISTS {partition} LOCATION '{self._latest()}'")
        while (latest := self._latest()) != moved:
            self.spark.sql(f"ALTER TABLE {self.table} {partition} SET LOCATION '{latest}'")
            moved = latest

    def sweep(self, claim: Mark) -> None:
        """Remove what earlier writers left, but for the current snapshot, the one before, and what the metastore names."""
        kept = {*self.fence.committed(last=KEPT), self._named().rpartition("/")[2]}
        for entry in hadoop.entries(self.spark, self.folder):
            if entry.name not in kept and entry.name < f"{claim.number:08d}":
                hadoop.delete(self.spark, entry.path)

    def _latest(self) -> str:
        """The folder of the snapshot committed last; empty where none was."""
        return "".join(f"{self.folder}/{name}" for name in self.fence.committed(last=1))

    def _named(self) -> str:
        """The folder that the metastore names; empty where it has no such partition."""
        try:
            described = self.spark.sql(f"DESCRIBE FORMATTED {self.table} PARTITION (ds='{self.ds}')").collect()
        except AnalysisException:
            return ""
        return next(str(row["data_type"]) for row in described if row["col_name"] == "Location")
