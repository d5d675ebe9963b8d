"""Commits: the state after a group, whole in a folder or not there. One mechanism for checkpoint, resume and recovery.

Each worker writes its slice, ``commits/000000003/000000120/slice-GROUP-RANK.safetensors``, below the number of its driver's claim and
the step; then the driver makes the journal's next entry, which names them all. Slices that no entry names do not exist.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from dlcore.run.journal import CLAIM, Journal
from dlcore.step.progress import Progress
from dlcore.step.state import Figures, Slice
from dlcore.step.triggers import Validation
from dlcore.storage.folder import Folder

log = logging.getLogger("dlcore")

FORMAT = 6
FILE = re.compile(r"\d{9}/\d{9}/slice-[0-9A-Za-z_-]+\.safetensors")
BEFORE = "manifest.json"
"""What each commit of the formats up to 4 had, in a folder named by its step."""
BestStep: TypeAlias = Callable[[Sequence[Validation]], int | None]
"""The step of the best of validations, if one is to stay."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The file of a slice, and what of the slice is not in it."""

    file: str
    sha256: str
    plain: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not FILE.fullmatch(self.file):
            raise ValueError(f"the file of a slice must be named as {FILE.pattern} says, got {self.file!r}")


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A whole state in files: its figures and its slices."""

    figures: Figures
    slices: tuple[Written, ...]

    @property
    def step(self) -> int:
        return self.figures.step

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Saved":
        """Back from the JSON of ``asdict``."""
        written = tuple(Written(**each) for each in content["slices"])
        return cls(figures=Figures.of(content["figures"]), slices=written)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A committed state: its number in the journal, where it is, what it was trained with, and the records up to it."""

    number: int
    saved: Saved
    settings: Mapping[str, str]
    history: Sequence[Progress]

    @property
    def step(self) -> int:
        return self.saved.step

    @property
    def epochs(self) -> int:
        """Whole epochs that are done."""
        return self.saved.figures.place.epoch

    @property
    def places(self) -> set[str]:
        """The folders of its slices."""
        return {written.file.rpartition("/")[0] for written in self.saved.slices}


class CommitError(RuntimeError):
    """A commit cannot be used: another format, or its bytes are not those that were written."""


@dataclass(frozen=True)
class Commits:
    """The commits of one run below ``folder``; the newest ``keep`` stay, while it runs the newest two, and their best.

    The group that runs may have begun from the one before the newest, which a worker that joins it late has yet to load. ``fence``
    is the number of the driver's claim: it and its workers write only below that, and it removes only what is below that or before it.
    """

    folder: Folder
    keep: int = 2
    fence: int = 0

    @property
    def journal(self) -> Journal:
        return Journal(self.folder)

    def claimed(self) -> "Commits":
        """The same, as this driver's own from now on."""
        return replace(self, fence=self.journal.claim())

    def write(self, part: Slice, *, step: int, name: str) -> Written:
        """Write a slice's file; it counts for nothing until its state is sealed."""
        content, file = part.to_bytes(), f"{_place(self.fence, step)}/slice-{name}.safetensors"
        self.folder.put(file, content)
        return Written(file=file, sha256=hashlib.sha256(content).hexdigest(), plain=part.plain)

    def seal(
        self, saved: Saved, *, after: Commit | None, settings: Mapping[str, str], history: Sequence[Progress]
    ) -> Commit:
        """Make a saved state the commit that follows ``after``; LostRun where another driver has taken the run over."""
        content = {
            "format": FORMAT,
            "fence": self.fence,
            "saved": asdict(saved),
            "settings": dict(settings),
            "history": [asdict(record) for record in history],
        }
        commit = Commit(number=self.next(after), saved=saved, settings=settings, history=history)
        self.journal.add(commit.number, content)
        return commit

    def next(self, newest: Commit | None) -> int:
        """The number that this driver's next commit has."""
        return 1 + max(self.fence, newest.number if newest else 0)

    def drop(self, commits: Sequence[Commit], *, keep: int, best: Collection[int] = ()) -> list[Commit]:
        """Keep the newest of ``commits`` and those of the numbers ``best``; remove the others, and what lost groups and drivers left."""
        numbers = {commit.number for commit in commits[-keep:]}.union(best)
        for commit in commits:
            if commit.number not in numbers:
                self.journal.remove(commit.number)
        stay = [commit for commit in commits if commit.number in numbers]
        places = set[str]().union(*(commit.places for commit in stay))
        for fence in [name for name in self.folder.names() if name.isdigit() and int(name) <= self.fence]:
            self._drop_below(fence, upto=_place(self.fence, stay[-1].step), places=places)
        self.journal.clear(before=stay[-1].number)
        return stay

    def _drop_below(self, fence: str, *, upto: str, places: Collection[str]) -> None:
        """Remove states that are in none of ``places``; what is later than ``upto`` belongs to the group that runs."""
        steps = (self.folder / fence).names()
        gone = [step for step in steps if f"{fence}/{step}" <= upto and f"{fence}/{step}" not in places]
        for step in gone:
            (self.folder / fence / step).remove()
        if len(gone) == len(steps):
            (self.folder / fence).remove()

    def latest(self) -> Commit | None:
        """The newest commit as its entry tells it, its slices unread; None where there is none."""
        return next(self._commits([]), None)

    def sound(self, best: BestStep = lambda _: None) -> list[Commit]:
        """The commits, the newest of them whole, and that of its ``best`` validation: damaged ones are removed with a warning.

        A CommitError where there are some, and all are damaged.
        """
        damaged = list[tuple[int, str]]()
        found = [*self._whole(damaged, best)]
        if damaged and not found:
            raise CommitError(
                f"no commit of {self.folder.where} is whole; {damaged[0][1]}. Delete {self.folder.where} to begin anew"
            )
        for number, reason in damaged:
            log.warning("commit %d of %s is passed over: %s", number, self.folder.where, reason)
            self.journal.remove(number)
        return found[::-1]

    def _whole(self, damaged: list[tuple[int, str]], best: BestStep) -> Iterator[Commit]:
        """The commits from the newest whole one back; of those before it only its best is read before it is needed."""
        newest: Commit | None = None
        for commit in self._commits(damaged):
            try:
                if newest is None or commit.step == best(newest.saved.figures.validations):
                    self._check(commit)
            except (CommitError, FileNotFoundError) as error:
                damaged.append((commit.number, str(error)))
            else:
                newest = newest or commit
                yield commit

    def _check(self, commit: Commit) -> None:
        for _ in self.load(commit.saved):
            pass

    def _commits(self, damaged: list[tuple[int, str]]) -> Iterator[Commit]:
        """Every commit, the newest first; the numbers of entries that cannot be read go to ``damaged``."""
        numbers = self.journal.numbers()
        if not numbers:
            self._refuse_old()
        for number in reversed(numbers):
            try:
                content = self.journal.read(number)
            except ValueError as error:
                damaged.append((number, f"its entry is damaged ({error})"))
                continue
            if CLAIM not in content:
                yield self._commit(number, content)

    def load(self, saved: Saved) -> Iterator[Slice]:
        """Read a saved state back, slice by slice, refusing bytes that are not those written."""
        for written in saved.slices:
            content = self.folder.read(written.file)
            found = hashlib.sha256(content).hexdigest()
            if found != written.sha256:
                raise CommitError(
                    f"{self.folder.where}/{written.file} is corrupt: it has sha256 {found}, written was {written.sha256}; "
                    "fit again, and the run goes on without this commit"
                )
            yield Slice.from_bytes(content, written.plain)

    def _commit(self, number: int, content: Mapping[str, Any]) -> Commit:
        if content["format"] != FORMAT:
            raise self._other_format(content["format"])
        return Commit(
            number=number,
            saved=Saved.of(content["saved"]),
            settings=content["settings"],
            history=tuple(Progress(**record) for record in content["history"]),
        )

    def _refuse_old(self) -> None:
        if any((self.folder / name).exists(BEFORE) for name in self.folder.names() if name.isdigit()):
            raise self._other_format("4 or less")

    def _other_format(self, found: object) -> CommitError:
        return CommitError(
            f"the commits in {self.folder.where} have format {found}, this version reads {FORMAT}; end that run with the version that "
            "began it, or train into another folder"
        )


def _place(fence: int, step: int) -> str:
    return f"{fence:09d}/{step:09d}"
