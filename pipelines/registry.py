"""The registry of published models: version folders named by their content, and one file that says which is champion.

``versions/ID`` is an artifact and never changes. ``registry.json`` holds the champion, the pinned versions and every move of
the champion; it is replaced whole by a rename, by one process at a time. A pinned version is never deleted, and a pinned
champion keeps its place until it is unpinned.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dlcore import Artifact, ArtifactError


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of the champion: from which version (none at first) to which, by whom and why, and whether back."""

    before: str | None
    after: str
    by: str
    reason: str
    back: bool = False


@dataclass(frozen=True, kw_only=True)
class Pointers:
    """What ``registry.json`` says."""

    champion: str | None = None
    pinned: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Pointers":
        if not file.exists():
            return cls()
        fields = json.loads(file.read_text())
        moves = tuple(Move(**move) for move in fields["moves"])
        return cls(champion=fields["champion"], pinned=tuple(fields["pinned"]), moves=moves)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The published models of one app, in a local folder."""

    folder: Path

    def pointers(self) -> Pointers:
        return Pointers.read(self.folder / "registry.json")

    def versions(self) -> list[str]:
        """The ids of all versions, in the order of their names."""
        return sorted(path.name for path in (self.folder / "versions").glob("[!.]*"))

    def version(self, name: str) -> str:
        """The one version whose id starts with ``name``."""
        found = [version for version in self.versions() if version.startswith(name)]
        if len(found) != 1 or not name:
            raise ValueError(
                f"{name!r} must be the start of one version's id, it is of {len(found)}; there are {self.versions()}"
            )
        return found[0]

    def load(self, version: str) -> Artifact:
        """Read a version; one that is gone, corrupt, changed or too new is refused by name."""
        return published(str(self.folder / "versions" / version), version)

    def champion(self) -> Artifact:
        """Read the champion."""
        version = self.pointers().champion
        if version is None:
            raise LookupError(f"the registry {self.folder} has no champion yet; publish a model first")
        return self.load(version)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the registry for changes: others wait, and see all of them or none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add(self, artifact: Artifact) -> str:
        """Copy an artifact in under its content's hash; one that is there already stays as it is."""
        into = self.folder / "versions" / artifact.id
        if not into.exists():
            aside = into.with_name(f".{artifact.id}.{os.getpid()}")
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(artifact.folder, aside)
            aside.rename(into)
        return self.load(artifact.id).id

    def promote(self, version: str, *, by: str, reason: str, back: bool = False) -> None:
        """Move the champion to ``version``."""
        now = self.pointers()
        if now.champion in now.pinned:
            raise ValueError(f"the champion {now.champion} is pinned and keeps its place; unpin it first")
        self.load(version)
        move = Move(before=now.champion, after=version, by=by, reason=reason, back=back)
        self._write(replace(now, champion=version, moves=(*now.moves, move)))

    def roll_back(self, *, by: str) -> str:
        """Move the champion back to the version that it replaced last and that is still there; return that."""
        now = self.pointers()
        upward = [move for move in now.moves if move.after == now.champion and not move.back]
        earlier = [move.before for move in upward if move.before in self.versions()]
        if not earlier or earlier[-1] is None:
            raise ValueError(f"the champion {now.champion} has no earlier version to roll back to")
        self.promote(earlier[-1], by=by, reason=f"rolled back from {now.champion}", back=True)
        return earlier[-1]

    def pin(self, version: str) -> None:
        now = self.pointers()
        self._write(replace(now, pinned=tuple(sorted({*now.pinned, version}))))

    def unpin(self, version: str) -> None:
        now = self.pointers()
        self._write(replace(now, pinned=tuple(each for each in now.pinned if each != version)))

    def delete(self, version: str) -> None:
        """Remove a version for good; never the champion or a pinned one."""
        now = self.pointers()
        if version == now.champion or version in now.pinned:
            what = "the champion" if version == now.champion else "pinned"
            raise ValueError(f"version {version} is {what} and may not be deleted; promote another or unpin it first")
        shutil.rmtree(self.folder / "versions" / version)

    def retire(self, *, keep: int) -> list[str]:
        """Remove the oldest versions beyond ``keep``: never the champion, one that it replaced, or a pinned one; return them."""
        now = self.pointers()
        held = {now.champion, *now.pinned, *(move.before for move in now.moves[-keep:])}
        aged = sorted(self.versions(), key=lambda version: (self.folder / "versions" / version).stat().st_mtime)
        gone = [version for version in aged[:-keep] if version not in held]
        for version in gone:
            self.delete(version)
        return gone

    def _write(self, pointers: Pointers) -> None:
        aside = self.folder / f".registry.json.{os.getpid()}"
        with aside.open("w") as file:
            file.write(json.dumps(asdict(pointers), indent=1))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self.folder / "registry.json")


def published(folder: str, version: str) -> Artifact:
    """Read the artifact in ``folder``, which must be ``version``: one of other content may be whole in itself."""
    if not Path(folder).exists():
        raise ArtifactError(
            f"version {version} is gone: there is no {folder}; publish it again, or use another version"
        )
    artifact = Artifact.load(folder)
    if artifact.id != version:
        raise ArtifactError(
            f"{folder} must hold version {version}, got artifact {artifact.id}; restore it, or delete it"
        )
    return artifact
