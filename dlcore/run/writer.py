"""Writing states beside training: each worker's slice is written by a thread while the next group runs."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

from dlcore.run.commits import Commits
from dlcore.run.control import ControlClient
from dlcore.step.state import Figures, Slice


@dataclass(frozen=True, kw_only=True)
class Part:
    """A slice of the state that ``group`` of so many workers ended with."""

    group: str
    rank: int
    workers: int
    figures: Figures
    slice: Slice


class Writer:
    """Writes slices one after the other; whoever writes a state's last one tells the driver under ``RUN/saved``; the newest counts."""

    def __init__(self, commits: Commits, control: ControlClient, run: str) -> None:
        self._commits, self._control, self._run = commits, control, run
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dlcore-writer")
        self._writing: Future[None] | None = None

    def write(self, part: Part, *, wait: bool) -> None:
        """Begin to write ``part``, a copy of its own, after the one before; what went wrong with that one is raised here."""
        if self._writing is not None:
            self._writing.result()
        self._writing = self._pool.submit(self._write, part)
        if wait:
            self._writing.result()

    def _write(self, part: Part) -> None:
        name = f"{part.group.replace('/', '-')}-{part.rank}"
        written = self._commits.write(part.slice, step=part.figures.step, name=name)
        self._control.post(f"{part.group}/slice/{part.rank}", asdict(written))
        if part.rank == 0:
            self._control.post(f"{part.group}/figures", asdict(part.figures))
        if self._control.count(f"{part.group}/slices") == part.workers - 1:
            slices = [self._control.wait(f"{part.group}/slice/{rank}") for rank in range(part.workers)]
            self._control.post(
                f"{self._run}/saved", {"figures": self._control.wait(f"{part.group}/figures"), "slices": slices}
            )
