"""Writing states beside training: a commit's file is written by a thread while the next group runs."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from dlcore.commits import Commits
from dlcore.control import Line
from dlcore.state import State


class Writer:
    """Saves states one after the other and tells the driver of each under ``RUN/saved``; the newest counts."""

    def __init__(self, commits: Commits, line: Line, run: str) -> None:
        self._commits, self._line, self._key = commits, line, f"{run}/saved"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dlcore-writer")
        self._writing: Future[None] | None = None

    def write(self, state: State, *, group: str, wait: bool) -> None:
        """Begin to save ``state``, a copy of its own, after the one before; what went wrong with that one is raised here."""
        if self._writing is not None:
            self._writing.result()
        self._writing = self._pool.submit(self._save, state, group)
        if wait:
            self._writing.result()

    def _save(self, state: State, group: str) -> None:
        self._line.post(self._key, asdict(self._commits.save(state, group=group)))
