"""One worker's part of a group: meet the others, take the steps, save the state; never leave the others waiting.

What the process keeps between groups (model, optimizer, open data, process group) is a cache of the committed state, used only
if run and step say that it is that state. Spark may end the process at any time between groups.
"""

import gc
import logging
import platform
import traceback
from dataclasses import asdict, dataclass

from dlcore.parallel.collective import Alone, BrokenGroup, Collective, ProcessGroup
from dlcore.run.control import ControlClient, LostDriver
from dlcore.run.rendezvous import Claim, all_ready, begins, ended, left, loading, meet, outcome, unready
from dlcore.run.writer import Part, Writer
from dlcore.spark.assignment import Assignment, Ended
from dlcore.spark.errors import described, pickled
from dlcore.spark.heartbeat import Heartbeat
from dlcore.step.engine import Engine
from dlcore.step.progress import Progress
from dlcore.step.tuning import divided, give_back_pages, processor, tune_process
from dlcore.storage.folder import Sign
from dlcore.tracking.relay import Entry, relayed


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

    def close(self) -> None:
        """Leave the group for good."""
        self.leave()
        self.engine.close()


@dataclass
class Process:
    """This process's cache: it outlives the task that fills it, so it cannot be an argument."""

    kept: Kept | None = None

    def of(self, run: str) -> Kept | None:
        """What is kept of ``run``; what is kept of another run is dropped."""
        if self.kept is not None and self.kept.run != run:
            self.drop()
        return self.kept

    def drop(self) -> None:
        """Keep nothing, and give its memory back: the process may stay for other work of the session's."""
        kept, self.kept = self.kept, None
        if kept is not None:
            kept.close()
            del kept
            gc.collect()
            give_back_pages()


PROCESS = Process()
MEETING_S = 300.0
"""How long a worker waits for the others to come: a process may have to start and to import torch on a busy machine."""
ANSWER_S = 10.0
"""How much longer than other workers the driver may be silent: it is a JVM too, and may collect garbage."""


def work(assignment: Assignment, *, group: str, task: int, cores: int) -> Ended:
    """Do one worker's part of ``group``, as its ``task``, which Spark may attempt more than once and at the same time.

    A worker that does not reach the driver raises, since it can tell the others in no other way.
    """
    where, answer_s = (assignment.host, assignment.port, assignment.key), assignment.patience_s + ANSWER_S
    control = ControlClient(*where, patience_s=MEETING_S, answer_s=answer_s)
    if not begins(control, group, task):
        told = outcome(control, group, task)
        return Ended(**told) if told else Ended(rank=-1, broken=str(control.look(left(group))))
    own = _begun(assignment, control, group, cores=cores)
    control.post(ended(group, task), own.told())
    return own


def _begun(assignment: Assignment, control: ControlClient, group: str, *, cores: int) -> Ended:
    """A worker's part. Errors are returned: a task that raises takes the other workers' processes with it."""
    try:
        tuned = tune_process(cores, loaders=assignment.loaders)
        rank, warm = _meet(assignment, control, group)

        def tell(entries: list[Entry]) -> bool:
            return control.tell(f"{assignment.run}/told", {"rank": rank, "entries": entries})

        if control.count(f"{assignment.run}/host/{platform.node()}") == 0:
            tell([(logging.INFO, f"workers on {platform.node()} are set up with {tuned}")])
        with relayed(tell):
            kept = PROCESS.kept
            if kept is None or not warm:
                kept = _loaded(assignment, control, group, rank=rank, cores=cores)
                _join(kept, assignment, control, group)
            return _take_part(assignment, control, group, kept, warm=warm)
    except BrokenGroup as error:
        return _left(control, group, error)
    except LostDriver:
        raise  # Spark finds the task failed when it is reached again, and what is kept ends with the process
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises goes to the driver
        return _failed(control, group, error)


def _meet(assignment: Assignment, control: ControlClient, group: str) -> tuple[int, bool]:
    """Meet the others: this worker's rank, and whether all go on with what they keep."""
    kept = PROCESS.of(assignment.run)
    claim = kept.claim if kept else Claim()
    if kept is not None and kept.collective.workers != assignment.workers:
        claim = Claim(rank=claim.rank)
    return meet(control, group, claim, workers=assignment.workers, step=assignment.ahead)


def _take_part(assignment: Assignment, control: ControlClient, group: str, kept: Kept, *, warm: bool) -> Ended:
    """Take the group's steps, and begin to write the state that they end with."""
    with _beating(assignment, control, group, kept) as heartbeat:
        _run(assignment, control, kept, heartbeat)
        heartbeat.look()
        last = heartbeat.asked or kept.engine.done
        heartbeat.writing = True
        wait = last or heartbeat.leaving or kept.engine.due or _must_wait(assignment, warm=warm)
        _commit(kept, group, workers=assignment.workers, wait=wait)
    taken = Ended(rank=kept.claim.rank, step=kept.engine.step, paused_s=kept.engine.paused_s)
    if last:
        PROCESS.drop()
    return taken


def _beating(assignment: Assignment, control: ControlClient, group: str, kept: Kept) -> Heartbeat:
    objective = kept.engine.objective
    return Heartbeat(
        control, lambda: objective.computed, run=assignment.run, group=group, longest_s=assignment.longest_s
    )


def _must_wait(assignment: Assignment, *, warm: bool) -> bool:
    """Whether the group lasts until its state is written: where the state before it never was, or processes end with their task."""
    lost = not warm and assignment.ahead > assignment.start.step
    return lost or not assignment.lasting


def _loaded(assignment: Assignment, control: ControlClient, group: str, *, rank: int, cores: int) -> Kept:
    """The committed state in this process, with engine and writer of before if it has them, and without a process group."""
    before, start = PROCESS.kept, assignment.start
    if before is not None:
        before.leave()
    engine = before.engine if before else _engine(assignment, cores, lambda: control.count(loading(group)))
    engine.load(
        start.figures, assignment.commits.load(start), rank=rank, workers=assignment.workers, batch=assignment.batch
    )
    give_back_pages()  # those of the bytes that the state was read from
    writer = before.writer if before else Writer(assignment.commits, control, assignment.run)
    kept = Kept(run=assignment.run, claim=Claim(rank=rank), engine=engine, collective=Alone(), writer=writer)
    PROCESS.kept = kept
    return kept


def _join(kept: Kept, assignment: Assignment, control: ControlClient, group: str) -> None:
    """Join a new process group, once all others have loaded the state too."""
    rank, workers = kept.claim.rank, assignment.workers
    all_ready(control, group, workers=workers)
    if workers > 1:
        store, address, patience_s = control.sub(group), control.address, assignment.patience_s
        kept.collective = ProcessGroup(store, rank=rank, workers=workers, address=address, patience_s=patience_s)
    kept.claim = Claim(rank=rank, generation=group, step=assignment.start.step)
    kept.engine.join(kept.collective)


def _engine(assignment: Assignment, cores: int, sign: Sign) -> Engine:
    validation = assignment.validation
    _, loaders = divided(processor().real(cores), assignment.loaders)
    return Engine(
        assignment.method,
        assignment.train.open(sign),
        validation.open(sign) if validation else None,
        metrics=assignment.method.metrics,
        pauses=assignment.method.pauses,
        sharded=assignment.sharded,
        loaders=loaders,
    )


def _run(assignment: Assignment, control: ControlClient, kept: Kept, heartbeat: Heartbeat) -> None:
    """Take the group's steps."""
    rank, generation = kept.claim.rank, kept.claim.generation
    kept.claim = Claim(rank=rank)  # until the end of the steps the state is of no whole group

    def report(number: int, progress: Progress) -> None:
        if rank == 0:
            control.post(f"{assignment.run}/progress/{number}", asdict(progress))

    kept.engine.run(heartbeat, report)
    kept.claim = Claim(rank=rank, generation=generation, step=kept.engine.step)


def _commit(kept: Kept, group: str, *, workers: int, wait: bool) -> None:
    """Begin to write this worker's slice of the state."""
    with kept.engine.committing():
        part = Part(
            group=group, rank=kept.claim.rank, workers=workers, figures=kept.engine.figures, slice=kept.engine.slice()
        )
        kept.writer.write(part, wait=wait)


def _left(control: ControlClient, group: str, error: BrokenGroup) -> Ended:
    """Leave the group that another has broken, with all that is kept but the connections."""
    kept = PROCESS.kept
    control.post(left(group), str(error))
    if kept is not None:
        kept.leave()
    return Ended(rank=kept.claim.rank if kept else -1, broken=str(error))


def _failed(control: ControlClient, group: str, error: Exception) -> Ended:
    """Leave the group after an error of this worker's own, and keep nothing. The driver may cancel the job before it has the result."""
    rank, trace = PROCESS.kept.claim.rank if PROCESS.kept else -1, traceback.format_exc()
    control.post(f"{group}/error", described(error, rank=rank, trace=trace))
    control.post(left(group), f"an error on rank {rank}")
    unready(control, group)
    PROCESS.drop()
    return Ended(rank=rank, error=pickled(error), trace=trace)
