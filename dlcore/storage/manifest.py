"""Named files and what is said of them, as one thing that is replaced whole: a reader finds the old or the new, never a half one.

``content-ID/`` holds the files, ID being the hash of the manifest that has their checksums; ``manifest-N-ID.json`` comes last, under a
name that was not there before, so that no file system need replace a file or move a folder. The highest N counts; what it replaces is
removed then. A save that is interrupted leaves no manifest, so the one before stays.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcore.storage.folder import Folder

FORMAT = 2
NAME = re.compile(r"manifest-(\d+)-([0-9a-f]{16})\.json")
BEFORE = "manifest.json"
"""The manifest's name in format 1."""
TRIES = 20


class ArtifactError(RuntimeError):
    """An artifact is missing, damaged, changed after it was made, or of a format this version does not read."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is said of the files of ``folder``: ``said`` holds their checksums by name in ``sha256``."""

    id: str
    folder: Folder
    said: Mapping[str, Any]

    @staticmethod
    def there(folder: Folder) -> bool:
        """Whether a folder has one, whole or not."""
        return bool(_manifests(folder))

    @property
    def names(self) -> list[str]:
        return sorted(self.said["sha256"])

    @property
    def content(self) -> Folder:
        return self.folder / f"content-{self.id}"

    @classmethod
    def save(cls, folder: Folder, said: Mapping[str, Any], files: Mapping[str, bytes | Path]) -> "Manifest":
        """Write files and manifest, in place of what is in ``folder``."""
        flat = dict(_flat(files))
        checksums = {name: _sha256(_bytes(each)) for name, each in sorted(flat.items())}
        whole = {"format": FORMAT} | dict(said) | {"sha256": checksums}
        made = cls(id=_identity(whole), folder=folder, said=whole)
        before = _manifests(folder)
        for name, each in flat.items():
            made._put(name, _bytes(each))
        number = 1 + max([int(number) for _, number, _ in before], default=0)
        text = json.dumps({"id": made.id} | whole, indent=1, sort_keys=True, allow_nan=False)
        folder.write(f"manifest-{number:06d}-{made.id}.json", text.encode())
        _drop(folder, before, keep=made.id)
        return made

    @classmethod
    def load(cls, folder: Folder) -> tuple["Manifest", dict[str, bytes]]:
        """The manifest that counts and all its files, each checked; one that is replaced meanwhile is read anew."""
        name = ""
        for _ in range(TRIES):
            before, name = name, _newest(folder)
            try:
                manifest = cls._read(folder, name)
                return manifest, {each: manifest.read(each) for each in manifest.names}
            except ArtifactError:
                if name == before:
                    raise
        raise ArtifactError(f"artifact {folder.where} is being replaced again and again; load it when that is done")

    @classmethod
    def _read(cls, folder: Folder, name: str) -> "Manifest":
        try:
            said = json.loads(folder.read(name))
        except FileNotFoundError as error:
            raise _missing(folder, name) from error
        except ValueError as error:
            raise ArtifactError(f"artifact {folder.where} is damaged: {name} is not JSON ({error})") from error
        if not isinstance(said, dict):
            raise ArtifactError(f"artifact {folder.where} is damaged: {name} must be a JSON object")
        if (found := said.get("format")) != FORMAT:
            raise _other_format(folder, found)
        identity = said.pop("id", None)
        if identity != _identity(said) or identity not in name:
            raise ArtifactError(f"artifact {folder.where} was changed: {name} does not hash to its id {identity}")
        return cls(id=identity, folder=folder, said=said)

    def read(self, name: str) -> bytes:
        """A file's bytes, which must be those that were saved."""
        try:
            content = self.content.read(name)
        except FileNotFoundError as error:
            raise _missing(self.folder, name) from error
        if _sha256(content) != self.said["sha256"][name]:
            raise ArtifactError(
                f"artifact {self.folder.where} is damaged: {name} is not the file that was saved as {self.id}"
            )
        return content

    def _put(self, name: str, content: bytes) -> None:
        """Write a file, unless it is there as it shall be."""
        if self.content.exists(name):
            if self.content.read(name) == content:
                return
            self.content.delete(name)
        self.content.write(name, content)


def _newest(folder: Folder) -> str:
    """The name of the manifest that counts; a listing that was made while it was replaced may lack both, so it is made again."""
    for _ in range(TRIES):
        if found := _manifests(folder):
            return max(found, key=lambda each: int(each[1]))[0]
        if not folder.names():
            break
    if folder.exists(BEFORE):
        raise _other_format(folder, 1)
    raise _missing(folder, "a manifest")


def _manifests(folder: Folder) -> list[tuple[str, str, str]]:
    """Name, number and id of each."""
    return [(found[0], found[1], found[2]) for name in folder.names() if (found := NAME.fullmatch(name))]


def _drop(folder: Folder, manifests: list[tuple[str, str, str]], *, keep: str) -> None:
    """Remove what was replaced; another that replaces it too may be faster."""
    for name, _, identity in manifests:
        folder.delete(name)
        if identity != keep:
            (folder / f"content-{identity}").remove()


def _flat(files: Mapping[str, bytes | Path]) -> Iterator[tuple[str, bytes | Path]]:
    """Every file by name; those of a folder below its name."""
    for name, given in files.items():
        if isinstance(given, Path) and given.is_dir():
            yield from (
                (f"{name}/{each.relative_to(given)}", each) for each in sorted(given.rglob("*")) if each.is_file()
            )
        else:
            yield name, given


def refuse_names(names: list[str]) -> None:
    """A file's name is a path below its artifact."""
    if bad := [name for name in names if not name or name.startswith("/") or {"", ".", ".."} & {*name.split("/")}]:
        raise ValueError(f"an artifact's files must have names such as 'pipeline' or 'model/int8.xml', got {bad}")


def _bytes(given: bytes | Path) -> bytes:
    return given.read_bytes() if isinstance(given, Path) else given


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _identity(said: Mapping[str, Any]) -> str:
    """The hash of a manifest without its id; it holds the files' checksums, so it names them too."""
    return _sha256(json.dumps(said, sort_keys=True, allow_nan=False).encode())[:16]


def _missing(folder: Folder, name: str) -> ArtifactError:
    return ArtifactError(f"there is no artifact at {folder.where}: {name} is missing")


def _other_format(folder: Folder, found: object) -> ArtifactError:
    return ArtifactError(
        f"artifact {folder.where} has format {found!r}, this version reads {FORMAT}; use a matching version"
    )
