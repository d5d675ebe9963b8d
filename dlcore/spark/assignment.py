"""What the driver gives a worker to do in a group, and what it gets back."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import Row

from dlcore.data.pieces import Pieces
from dlcore.data.rows import Rows
from dlcore.run.commits import Commits, Saved
from dlcore.run.plan import Plan
from dlcore.storage.folder import Folder, Sign


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where the pieces are, and their index."""

    folder: Folder
    pieces: Pieces
    resident_bytes: int

    def open(self, sign: Sign) -> Rows:
        return self.pieces.open(self.folder, resident_bytes=self.resident_bytes, sign=sign)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One group's work, the same for each of its workers.

    The workers go on from step ``ahead`` if they hold its state together, else from the committed ``start``. Where their processes
    are not ``lasting``, since Spark may end them with their tasks, none can write beside the next group. ``key`` is that of the
    driver's control server.
    """

    run: str
    method: Plan
    train: Stored
    validation: Stored | None
    commits: Commits
    start: Saved
    ahead: int
    host: str
    port: int
    key: bytes = field(repr=False)
    workers: int
    batch: int
    sharded: bool
    loaders: int
    longest_s: float
    patience_s: float
    lasting: bool = True


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a worker's part ended: at which step, or with which cause; and how long the pause before it was, if it was warm."""

    rank: int
    step: int = -1
    paused_s: float = 0.0
    error: bytes = b""
    trace: str = ""
    broken: str = ""

    def told(self) -> dict[str, Any]:
        """What the control server carries of it: no pickles."""
        return {"rank": self.rank, "step": self.step, "paused_s": self.paused_s, "broken": self.broken}

    def to_arrow(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([asdict(self)], schema=_ENDED)

    @classmethod
    def from_row(cls, row: Row) -> "Ended":
        return cls(**row.asDict() | {"error": bytes(row.error)})


ENDED = "rank int, step long, paused_s double, error binary, trace string, broken string"
_ENDED = pa.schema(
    {
        "rank": pa.int32(),
        "step": pa.int64(),
        "paused_s": pa.float64(),
        "error": pa.binary(),
        "trace": pa.string(),
        "broken": pa.string(),
    }
)
