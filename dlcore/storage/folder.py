"""A folder on any file system that pyarrow knows, with the one guarantee that training needs: a file appears whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from pyarrow import fs


@dataclass(frozen=True)
class Folder:
    """``where`` is a path of this machine or a URI (``hdfs://``, ``s3://``, ``file://``), or a path of the ``system`` that is given.

    It is made when first written to.
    """

    where: str
    system: fs.FileSystem | None = None

    @classmethod
    def of(cls, given: "str | Folder") -> "Folder":
        return cls(given) if isinstance(given, str) else given

    @property
    def _located(self) -> tuple[fs.FileSystem, str]:
        if self.system is not None:
            return self.system, self.where
        if "://" in self.where:
            system, path = fs.FileSystem.from_uri(self.where)
            return system, path
        return fs.LocalFileSystem(), str(Path(self.where).resolve())

    @property
    def local(self) -> bool:
        return isinstance(self._located[0], fs.LocalFileSystem)

    def __truediv__(self, name: str) -> "Folder":
        return replace(self, where=f"{self.where.rstrip('/')}/{name}")

    def path(self, file: str) -> str:
        return f"{self._located[1]}/{file}"

    def exists(self, file: str) -> bool:
        return bool(self._located[0].get_file_info(self.path(file)).type == fs.FileType.File)

    def names(self) -> list[str]:
        """Names of the entries, sorted; none when the folder is not there."""
        system, path = self._located
        return sorted(info.base_name for info in system.get_file_info(fs.FileSelector(path, allow_not_found=True)))

    @contextmanager
    def writer(self, file: str) -> Iterator[pa.NativeFile]:
        """Open a file to write; parents are made."""
        system, path = self._located
        system.create_dir(self.path(file).rpartition("/")[0], recursive=True)
        with system.open_output_stream(f"{path}/{file}") as sink:
            yield sink

    def write(self, file: str, content: bytes) -> None:
        """Write a file so that it appears whole or not at all: beside its place, then renamed."""
        with self.writer(f"{file}.partial") as sink:
            sink.write(content)
        self._located[0].move(self.path(f"{file}.partial"), self.path(file))

    def read(self, file: str) -> bytes:
        with self._located[0].open_input_stream(self.path(file)) as source:
            return bytes(source.read())

    def mapped(self, file: str) -> pa.NativeFile:
        """Open a file for random access, mapped into memory where the file system is this machine's."""
        if self.local:
            return pa.memory_map(self.path(file))
        return self._located[0].open_input_file(self.path(file))

    def copy(self, file: str, into: Path) -> None:
        """Copy a file into a folder of this machine, a piece at a time."""
        system, here = self._located[0], fs.LocalFileSystem()
        fs.copy_files(self.path(file), str(into / file), source_filesystem=system, destination_filesystem=here)

    def delete(self, file: str) -> None:
        self._located[0].delete_file(self.path(file))

    def remove(self) -> None:
        """Delete the folder with everything in it; nothing happens when it is not there."""
        system, path = self._located
        if system.get_file_info(path).type == fs.FileType.Directory:
            system.delete_dir(path)
