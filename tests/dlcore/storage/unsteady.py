"""A file system of this machine that fails as often as it is told to: what an object store or a NameNode does for a moment."""

import errno
from collections import Counter
from collections.abc import Callable
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

OPERATIONS = (
    "get_file_info",
    "get_file_info_selector",
    "create_dir",
    "open_output_stream",
    "move",
    "open_input_file",
    "delete_file",
    "delete_dir",
)


class Unsteady(FSSpecHandler):  # type: ignore[misc]
    """Each operation raises ``error`` the first ``times`` that it is called; all ``calls`` are counted."""

    def __init__(self, times: int, error: OSError) -> None:
        super().__init__(LocalFileSystem())
        self.times, self.error, self.calls = times, error, Counter[str]()

    def failing(self, name: str, *arguments: Any) -> Any:
        self.calls[name] += 1
        if self.calls[name] <= self.times:
            raise self.error
        return getattr(super(), name)(*arguments)


def _operation(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self.failing(name, *arguments)


for _name in OPERATIONS:
    setattr(Unsteady, _name, _operation(_name))


def unsteady(times: int, error: OSError | None = None) -> tuple[PyFileSystem, Unsteady]:
    handler = Unsteady(times, error or OSError(errno.EIO, "AWS Error SLOW_DOWN"))
    return PyFileSystem(handler), handler
