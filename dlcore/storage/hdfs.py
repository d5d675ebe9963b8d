"""HDFS as a pyarrow file system, by hdfs-native: no Java and no Hadoop client need be installed.

pyarrow's own needs libhdfs, which no package brings; WebHDFS has no rename that refuses to move into a folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

if TYPE_CHECKING:
    from hdfs_native import Client, FileStatus

PATIENCE = {"dfs.client.failover.max.attempts": "3"}
"""Some seconds for a NameNode that does not answer; the client's own default of 15 tries takes minutes to say so."""


@dataclass(frozen=True)
class Hdfs(fs.FileSystemHandler):  # type: ignore[misc]
    """The HDFS of ``authority``, ``host:port`` of a NameNode or a nameservice that ``config`` (Hadoop's own keys) describes.

    It connects when it is first used, so it may travel to other processes.
    """

    authority: str
    config: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def client(self) -> "Client":
        try:
            from hdfs_native import Client
        except ImportError as error:
            raise ImportError("hdfs:// needs the package hdfs-native: pip install emberline[hdfs]") from error
        return Client(f"hdfs://{self.authority}", {**PATIENCE, **self.config})

    def __reduce__(self) -> tuple[type["Hdfs"], tuple[str, Mapping[str, str]]]:
        return Hdfs, (self.authority, self.config)

    def create(self, path: str, content: bytes) -> bool:
        """Make a file whole, unless there is one of that name: of all who try, one gets True."""
        aside = f"{path}.{uuid4().hex[:8]}"
        with self.open_output_stream(aside, {}) as sink:
            sink.write(content)
        try:
            self.client.rename(aside, path, overwrite=False)
        except FileExistsError:
            self.client.delete(aside)
            return False
        return True

    def get_type_name(self) -> str:
        return "hdfs"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        try:
            return [_info(each) for each in self.client.list_status(selector.base_dir, selector.recursive)]
        except FileNotFoundError:
            if selector.allow_not_found:
                return []
            raise

    def _info(self, path: str) -> fs.FileInfo:
        try:
            return _info(self.client.get_file_info(path))
        except FileNotFoundError:
            return fs.FileInfo(path, fs.FileType.NotFound)

    def create_dir(self, path: str, recursive: bool) -> None:
        self.client.mkdirs(path, create_parent=recursive)

    def delete_dir(self, path: str) -> None:
        if not self.client.delete(path, recursive=True):
            raise FileNotFoundError(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        for info in self.get_file_info_selector(fs.FileSelector(path, allow_not_found=missing_dir_ok)):
            self.client.delete(info.path, recursive=True)

    def delete_root_dir_contents(self) -> None:
        self.delete_dir_contents("/")

    def delete_file(self, path: str) -> None:
        if not self.client.delete(path):
            raise FileNotFoundError(path)

    def move(self, source: str, target: str) -> None:
        self.client.rename(source, target, overwrite=True)

    def copy_file(self, source: str, target: str) -> None:
        with self.open_output_stream(target, {}) as sink:
            for chunk in self.client.read(source):
                sink.write(chunk)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(self.client.read(path), mode="r")

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        from hdfs_native import WriteOptions

        return pa.PythonFile(self.client.create(path, WriteOptions(overwrite=True, create_parent=True)), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        return pa.PythonFile(self.client.append(path), mode="w")


def _info(status: "FileStatus") -> fs.FileInfo:
    if status.isdir:
        return fs.FileInfo(status.path, fs.FileType.Directory)
    return fs.FileInfo(status.path, fs.FileType.File, size=status.length, mtime=status.modification_time / 1000)
