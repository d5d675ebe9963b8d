"""Commits: the state after a group, whole in a folder or not there. One mechanism for checkpoint, resume and recovery.

Each worker writes its slice, ``commits/000000120/slice-GROUP-RANK.safetensors``, then the driver renames ``manifest.json``, which names
them all, into place beside them; a commit without a manifest does not exist.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dlcore.step.progress import Progress
from dlcore.step.state import Figures, Slice
from dlcore.storage.folder import Folder

FORMAT = 4
MANIFEST = "manifest.json"
FILE = re.compile(r"slice-[0-9A-Za-z_-]+\.safetensors")


@dataclass(frozen=True, kw_only=True)
class Written:
    """The file of a slice, and what of the slice is not in it."""

    file: str
    sha256: str
    plain: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not FILE.fullmatch(self.file):
            raise ValueError(f"the file of a slice must have a name such as slice-a-0.safetensors, got {self.file!r}")


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
    """A committed state: where it is, what it was trained with, and the records up to it."""

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


class CommitError(RuntimeError):
    """A commit cannot be used: another format, or its bytes are not those that were written."""


@dataclass(frozen=True)
class Commits:
    """The commits of one run below ``folder``; the newest ``keep`` stay, and while it runs the newest two.

    The group that runs may have begun from the one before the newest, which a worker that joins it late has yet to load.
    """

    folder: Folder
    keep: int = 2

    def write(self, part: Slice, *, step: int, name: str) -> Written:
        """Write a slice's file; it counts for nothing until its state is sealed."""
        content = part.to_bytes()
        file = f"slice-{name}.safetensors"
        (self.folder / _name(step)).put(file, content)
        return Written(file=file, sha256=hashlib.sha256(content).hexdigest(), plain=part.plain)

    def seal(self, saved: Saved, *, settings: Mapping[str, str], history: Sequence[Progress]) -> Commit:
        """Make a saved state the newest commit, and drop older ones that need not stay, and what lost groups left before it."""
        content = {
            "format": FORMAT,
            "saved": asdict(saved),
            "settings": dict(settings),
            "history": [asdict(record) for record in history],
        }
        (self.folder / _name(saved.step)).write(MANIFEST, json.dumps(content, indent=1).encode())
        self._drop(saved.step, keep=max(self.keep, 2))
        return Commit(saved=saved, settings=settings, history=history)

    def end(self, step: int) -> None:
        """Drop what no group needs any more, at the end of a run whose newest commit is that of ``step``."""
        self._drop(step, keep=self.keep)

    def _drop(self, step: int, *, keep: int) -> None:
        upto = [name for name in self.folder.names() if name <= _name(step)]
        whole = [name for name in upto if (self.folder / name).exists(MANIFEST)]
        for name in set(upto) - set(whole[-keep:]):
            (self.folder / name).remove()

    def latest(self) -> Commit | None:
        """The newest whole commit, or None."""
        for name in reversed(self.folder.names()):
            if (self.folder / name).exists(MANIFEST):
                return self._read(name)
        return None

    def load(self, saved: Saved) -> Iterator[Slice]:
        """Read a saved state back, slice by slice, refusing bytes that are not those written."""
        for written in saved.slices:
            content = (self.folder / _name(saved.step)).read(written.file)
            found = hashlib.sha256(content).hexdigest()
            if found != written.sha256:
                raise CommitError(
                    f"commit {self.folder.where}/{_name(saved.step)} is corrupt: {written.file} has sha256 {found}, "
                    f"written was {written.sha256}; delete that folder to go on from an earlier commit"
                )
            yield Slice.from_bytes(content, written.plain)

    def _read(self, name: str) -> Commit:
        content = json.loads((self.folder / name).read(MANIFEST))
        if content["format"] != FORMAT:
            raise CommitError(
                f"commit {self.folder.where}/{name} has format {content['format']}, this version reads {FORMAT}; end that run "
                "with the version that began it, or train into another folder"
            )
        return Commit(
            saved=Saved.of(content["saved"]),
            settings=content["settings"],
            history=tuple(Progress(**record) for record in content["history"]),
        )


def _name(step: int) -> str:
    return f"{step:09d}"
