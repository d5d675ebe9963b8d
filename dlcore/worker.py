"""One worker's part of a group: meet the others, take the steps, save the state; never leave the others waiting.

What the process keeps between groups (model, optimizer, open data, process group) is a cache of the committed state, used only
if run and step say that it is that state. Spark may end the process at any time between groups.
"""

import traceback
from dataclasses import asdict, dataclass

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.sql import Row

from dlcore.collective import Alone, BrokenGroup, Collective, Gloo
from dlcore.commits import Commits, Saved
from dlcore.control import Line
from dlcore.engine import Engine
from dlcore.files import Folder
from dlcore.meeting import Claim, all_ready, meet, unready
from dlcore.progress import Progress
from dlcore.recipe import Recipe
from dlcore.shards import Rows, Shards
from dlcore.tuning import divided, processor, tune_process
from dlcore.watch import Watch
from dlcore.writer import Part, Writer


@dataclass(frozen=True, kw_only=True)
class Sharded:
    """Where the shards are, and their index."""

    folder: Folder
    shards: Shards
    resident_bytes: int

    def open(self) -> Rows:
        return self.shards.open(self.folder, resident_bytes=self.resident_bytes)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One group's work, the same for each of its workers.

    The workers go on from step ``ahead`` if they hold its state together, else from the committed ``start``.
    """

    run: str
    recipe: Recipe
    train: Sharded
    validation: Sharded | None
    commits: Commits
    start: Saved
    ahead: int
    host: str
    port: int
    workers: int
    batch: int
    sharded: bool
    loaders: int
    longest_s: float
    patience_s: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a worker's part ended: at which step, or with which cause; and how long the pause before it was, if it was warm."""

    rank: int
    step: int = -1
    paused_s: float = 0.0
    error: bytes = b""
    trace: str = ""
    broken: str = ""

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


@dataclass(kw_only=True)
class Kept:
    """What a process holds of a run from group to group."""

    run: str
    claim: Claim
    engine: Engine
    collective: Collective
    writer: Writer

    def leave(self) -> None:
        """Leave the group at once, so that the others' collectives end with an error instead of waiting."""
        self.claim = Claim(rank=self.claim.rank)
        self.engine.join(Alone())
        self.collective.close()
        self.collective = Alone()


@dataclass
class Process:
    """This process's cache: it outlives the task that fills it, so it cannot be an argument."""

    kept: Kept | None = None

    def of(self, run: str) -> Kept | None:
        """What is kept of ``run``; what is kept of another run is dropped."""
        if self.kept is not None and self.kept.run != run:
            self.kept.leave()
            self.kept = None
        return self.kept


PROCESS = Process()
MEETING_S = 300.0
"""How long a worker waits for the others to come: a process may have to start and to import torch on a busy machine."""


def work(assignment: Assignment, *, group: str, cores: int) -> Ended:
    """Do one worker's part of ``group``. Errors are returned: a task that raises takes the other workers' processes with it."""
    tuned = tune_process(cores, loaders=assignment.loaders)
    line = Line(assignment.host, assignment.port, patience_s=MEETING_S)
    try:
        kept = _prepare(assignment, line, group, cores)
        line.post(f"{assignment.run}/tuned", f"rank {kept.claim.rank}: {tuned}")
        last = _run(assignment, line, kept)
        _commit(kept, group, workers=assignment.workers, wait=last)
        return Ended(rank=kept.claim.rank, step=kept.engine.step, paused_s=kept.engine.paused_s)
    except BrokenGroup as error:
        return _ended(line, group, broken=str(error))
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises goes to the driver
        return _ended(line, group, error=_pickled(error), trace=traceback.format_exc())


def _prepare(assignment: Assignment, line: Line, group: str, cores: int) -> Kept:
    """Meet the others; go on with what is kept if all can, else load the committed state and build a new process group."""
    kept = PROCESS.of(assignment.run)
    claim = kept.claim if kept else Claim()
    if kept is not None and kept.collective.workers != assignment.workers:
        claim = Claim(rank=claim.rank)
    rank, warm = meet(line, group, claim, workers=assignment.workers, step=assignment.ahead)
    if kept is not None and warm:
        return kept
    engine = kept.engine if kept else _engine(assignment, cores)
    start = assignment.start
    engine.load(
        start.figures,
        assignment.commits.load(start),
        rank=rank,
        workers=assignment.workers,
        batch=assignment.batch,
    )
    writer = kept.writer if kept else Writer(assignment.commits, line, assignment.run)
    PROCESS.kept = kept = Kept(
        run=assignment.run, claim=Claim(rank=rank), engine=engine, collective=Alone(), writer=writer
    )
    all_ready(line, group, workers=assignment.workers)
    if assignment.workers > 1:
        kept.collective = Gloo(
            line.sub(group),
            rank=rank,
            workers=assignment.workers,
            address=line.address,
            patience_s=assignment.patience_s,
        )
    kept.claim = Claim(rank=rank, generation=group, step=start.step)
    engine.join(kept.collective)
    return kept


def _engine(assignment: Assignment, cores: int) -> Engine:
    validation = assignment.validation
    _, loaders = divided(processor().real(cores), assignment.loaders)
    return Engine(
        assignment.recipe,
        assignment.train.open(),
        validation.open() if validation else None,
        sharded=assignment.sharded,
        loaders=loaders,
    )


def _run(assignment: Assignment, line: Line, kept: Kept) -> bool:
    """Take the group's steps; whether the run ends with them."""
    rank, generation = kept.claim.rank, kept.claim.generation
    kept.claim = Claim(rank=rank)  # between the two lines the state is of no whole group

    def report(number: int, progress: Progress) -> None:
        if rank == 0:
            line.post(f"{assignment.run}/progress/{number}", asdict(progress))

    with Watch(line, assignment.run, longest_s=assignment.longest_s) as stop:
        kept.engine.run(stop, report)
    kept.claim = Claim(rank=rank, generation=generation, step=kept.engine.step)
    return stop.asked or kept.engine.done


def _commit(kept: Kept, group: str, *, workers: int, wait: bool) -> None:
    """Begin to write this worker's slice of the state."""
    with kept.engine.committing():
        part = Part(
            group=group, rank=kept.claim.rank, workers=workers, figures=kept.engine.figures, slice=kept.engine.slice()
        )
        kept.writer.write(part, wait=wait)


def _ended(line: Line, group: str, *, broken: str = "", error: bytes = b"", trace: str = "") -> Ended:
    """Leave the group and say why; after an error of this worker's own nothing is kept."""
    kept = PROCESS.kept
    rank = kept.claim.rank if kept else -1
    line.post(f"{group}/left", broken or f"an error on rank {rank}")
    if not broken:
        unready(line, group)
        PROCESS.kept = None
    if kept is not None:
        kept.leave()
    return Ended(rank=rank, broken=broken, error=error, trace=trace)


def _pickled(error: Exception) -> bytes:
    """The exception for Spark's own channel to the driver; one that does not pickle goes as its text."""
    try:
        content: bytes = cloudpickle.dumps(error)  # type: ignore[no-untyped-call]
        cloudpickle.loads(content)
    except Exception:  # noqa: BLE001 - pickling runs the exception's own code
        content = cloudpickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))  # type: ignore[no-untyped-call]
    return content
