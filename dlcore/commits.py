"""Commits: the state after a group, whole in a folder or not there. One mechanism for checkpoint, resume and recovery.

``commits/000000120/state-GROUP.safetensors`` is written by a worker, then ``manifest.json`` beside it is renamed into place by the
driver; a commit without a manifest does not exist.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dlcore.files import Folder
from dlcore.progress import Progress
from dlcore.state import State

FORMAT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A state on its way: the file a worker wrote, and everything of the state that is not in it."""

    file: str
    sha256: str
    figures: Mapping[str, Any]

    @property
    def step(self) -> int:
        return int(self.figures["step"])


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A committed state: where it is, what it was trained with, and the records up to it."""

    saved: Saved
    settings: Mapping[str, str]
    history: Sequence[Progress]

    @property
    def step(self) -> int:
        return self.saved.step


class CommitError(RuntimeError):
    """A commit cannot be used: another format, or its bytes are not those that were written."""


@dataclass(frozen=True)
class Commits:
    """The commits of one run below ``folder``; the newest ``keep`` stay."""

    folder: Folder
    keep: int = 2

    def save(self, state: State, *, group: str) -> Saved:
        """Write a state's file; it counts for nothing until it is sealed."""
        content = state.to_bytes()
        file = f"state-{group}.safetensors"
        with (self.folder / _name(state.step)).writer(file) as sink:
            sink.write(content)
        return Saved(file=file, sha256=hashlib.sha256(content).hexdigest(), figures=state.figures())

    def seal(self, saved: Saved, *, settings: Mapping[str, str], history: Sequence[Progress]) -> Commit:
        """Make a saved state the newest commit, and drop those beyond ``keep``."""
        content = {
            "format": FORMAT,
            "saved": asdict(saved),
            "settings": dict(settings),
            "history": [asdict(record) for record in history],
        }
        (self.folder / _name(saved.step)).write(MANIFEST, json.dumps(content, indent=1).encode())
        upto = [name for name in self.folder.names() if name <= _name(saved.step)]
        for name in upto[: -self.keep]:
            (self.folder / name).remove()
        return Commit(saved=saved, settings=settings, history=history)

    def latest(self) -> Commit | None:
        """The newest whole commit, or None."""
        for name in reversed(self.folder.names()):
            if (self.folder / name).exists(MANIFEST):
                return self._read(name)
        return None

    def load(self, saved: Saved) -> State:
        """Read a saved state back, refusing bytes that are not those written."""
        content = (self.folder / _name(saved.step)).read(saved.file)
        found = hashlib.sha256(content).hexdigest()
        if found != saved.sha256:
            raise CommitError(
                f"commit {self.folder.where}/{_name(saved.step)} is corrupt: {saved.file} has sha256 {found}, "
                f"written was {saved.sha256}; delete that folder to go on from an earlier commit"
            )
        return State.from_bytes(content, saved.figures)

    def _read(self, name: str) -> Commit:
        content = json.loads((self.folder / name).read(MANIFEST))
        if content["format"] != FORMAT:
            raise CommitError(
                f"commit {self.folder.where}/{name} has format {content['format']}, this version reads {FORMAT}"
            )
        return Commit(
            saved=Saved(**content["saved"]),
            settings=content["settings"],
            history=tuple(Progress(**record) for record in content["history"]),
        )


def _name(step: int) -> str:
    return f"{step:09d}"
