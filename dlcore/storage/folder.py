"""A folder on any file system that pyarrow knows, with the one guarantee that training needs: a file appears whole."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import fs

from dlcore.storage.exclusive import KNOWN, creator
from dlcore.storage.hdfs import Hdfs
from dlcore.storage.location import located, shown
from dlcore.storage.patience import patient, twice

log = logging.getLogger("dlcore")

CHUNK = 4 * 2**20

Sign: TypeAlias = Callable[[], object]
"""Called while something lasts, to tell that it comes on."""


@dataclass(frozen=True)
class Folder:
    """A ``path`` on a file ``system``, this machine's unless one is given. It is made when first written to.

    A run needs files that one driver alone can create. Where the file system has none, ``single_writer`` promises in their place that
    nobody else trains into the folder, this run's own driver of before included.
    """

    path: str
    system: fs.FileSystem = field(default_factory=fs.LocalFileSystem)
    single_writer: bool = False

    def __post_init__(self) -> None:
        if "://" in self.path:
            raise ValueError(f"Folder takes a path on its system; of a URI make one by Folder.of({shown(self.path)!r})")
        if self.local and not self.path.startswith("/"):
            raise ValueError(f"Folder takes an absolute path of this machine, got {self.path!r}; make one by Folder.of")

    @classmethod
    def of(cls, given: "Place") -> "Folder":
        """What a user gives: a path of this machine, a URI, or a Folder."""
        if isinstance(given, Folder):
            return given
        system, path = located(given)
        return cls(path, system)

    @property
    def where(self) -> str:
        """Its name for people: credentials and options of a URI are no part of it."""
        if self.local:
            return self.path
        handler = getattr(self.system, "handler", None)
        if isinstance(handler, Hdfs):
            return f"hdfs://{handler.authority}{self.path}"
        return f"{self.system.type_name}://{self.path}"

    @property
    def local(self) -> bool:
        return isinstance(self.system, fs.LocalFileSystem)

    def __truediv__(self, name: str) -> "Folder":
        return replace(self, path=self.at(name))

    def at(self, name: str) -> str:
        """The path of a file or folder below this one."""
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"a name in the folder {self.where} must lead to a place below it, got {name!r}")
        return f"{self.path.rstrip('/')}/{name}"

    def refuse_unreachable(self) -> None:
        """Raise a ConnectionError that names the folder where its file system does not answer, or not to this user."""
        try:
            twice(self.system.get_file_info)(self.path)
        except OSError as error:
            raise ConnectionError(
                f"the folder {self.where} cannot be reached: {str(error).partition(chr(10))[0]}"
            ) from error

    def refuse_several_writers(self) -> None:
        """Raise a ValueError where two drivers could own a run in this folder; warn where it is promised that there is one."""
        if creator(self.system) is not None:
            return
        if not self.single_writer:
            raise ValueError(
                f"a run's folder must be on a file system where of several drivers one alone can create a file: {KNOWN} have that, "
                f"{self.system.type_name} is not known to. Take another, or promise by Folder(path, system, single_writer=True) that "
                "nobody else ever trains into it at the same time"
            )
        log.warning("%s has no exclusive files: a second driver that trains into it would do harm unseen", self.where)

    @patient
    def exists(self, file: str) -> bool:
        return bool(self.system.get_file_info(self.at(file)).type == fs.FileType.File)

    @patient
    def names(self) -> list[str]:
        """Names of the entries, sorted; none when the folder is not there."""
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found)

    def put(self, file: str, content: bytes) -> None:
        """Write a file under a name that nobody reads yet; parents are made."""
        self.fill(file, lambda sink: sink.write(content))

    @patient
    def fill(self, file: str, write: "Callable[[pa.NativeFile], object]") -> None:
        """Have a file written, as ``put`` does, by a function that is called again where storage fails for a moment."""
        self.system.create_dir(self.at(file).rpartition("/")[0], recursive=True)
        with self.system.open_output_stream(self.at(file)) as sink:
            write(sink)

    @patient
    def write(self, file: str, content: bytes) -> None:
        """Write a file so that it appears whole or not at all: beside its place, then renamed."""
        self.put(f"{file}.partial", content)
        self.system.move(self.at(f"{file}.partial"), self.at(file))

    @patient
    def create(self, file: str, content: bytes) -> bool:
        """Write a file whole unless there is one of that name; whether it now is this one, made now or by an earlier try."""
        create = creator(self.system)
        if create is None:
            if not (there := self.exists(file)):
                self.write(file, content)
        else:
            there = not create(self.at(file), content)
        return not there or self.read(file) == content

    @patient
    def read(self, file: str) -> bytes:
        with self.system.open_input_file(self.at(file)) as source:  # a stream of S3's is a hundred times slower
            return bytes(source.read())

    def copy(self, file: str, to: Path, sign: Sign) -> None:
        """Copy a file to one of this machine, which appears whole; ``sign`` is called as it comes on, and its errors are raised."""
        aside = to.with_name(f"{to.name}.partial")
        with patient(self.system.open_input_file)(self.at(file)) as source, aside.open("wb") as copy:
            while chunk := patient(source.read_at)(CHUNK, copy.tell()):
                copy.write(chunk)
                sign()
        aside.rename(to)

    def mapped(self, file: str) -> Any:
        """Open a file for random access, mapped into memory where the file system is this machine's."""
        return pa.memory_map(self.at(file)) if self.local else self.system.open_input_file(self.at(file))

    @patient
    def delete(self, file: str) -> None:
        """Delete a file; nothing happens when it is not there, as after a try whose answer was lost."""
        with suppress(FileNotFoundError):
            self.system.delete_file(self.at(file))

    @patient
    def remove(self) -> None:
        """Delete the folder with everything in it; nothing happens when it is not there."""
        with suppress(FileNotFoundError):
            if self.system.get_file_info(self.path).type == fs.FileType.Directory:
                self.system.delete_dir(self.path)


Place: TypeAlias = str | Path | Folder
"""What a user may give where a folder is wanted."""
