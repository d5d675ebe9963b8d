"""Where a folder is: what a user writes, parsed once into a file system and a path on it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from dlcore.storage import hadoop
from dlcore.storage.hdfs import Hdfs

Location: TypeAlias = tuple[fs.FileSystem, str]

URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?]*))?(/.*)?", re.DOTALL)


def located(given: str | Path) -> Location:
    """The file system and the path there. ``given`` is a path of this machine, or a URI with one slash, two or three."""
    found = URI.fullmatch(str(given))
    if found is None:
        return fs.LocalFileSystem(), str(Path(given).resolve())
    if isinstance(given, Path):
        raise ValueError(f"pathlib takes a slash out of a URI; give it as a text, such as 'hdfs:///run', got {given!r}")
    scheme, authority, path = found[1], found[2] or "", found[3] or "/"
    if scheme not in SCHEMES:
        raise ValueError(
            f"a folder must be a path, or a URI that begins with {', '.join(f'{name}:' for name in SCHEMES)}; "
            f"got {shown(given)} (a folder of this machine whose name has a colon is ./{shown(given)})"
        )
    return SCHEMES[scheme](scheme, authority, path)


def shown(given: str) -> str:
    """A URI without what is secret or an option in it."""
    return re.sub(r"//.*@", "//", given.partition("?")[0])


def _local(_: str, authority: str, path: str) -> Location:
    if authority not in ("", "localhost"):
        raise ValueError(
            f"a file: URI names a folder of this machine, file:///path, got one of the host {authority!r}; "
            "of another machine's give the address of its file system"
        )
    return fs.LocalFileSystem(), str(Path(unquote(path)).resolve())


def _hdfs(_: str, authority: str, path: str) -> Location:
    config = hadoop.configured()
    default = URI.fullmatch(config.pop(hadoop.DEFAULT, ""))
    if not authority and default and default[1] == "hdfs":
        authority = default[2] or ""
    if not authority:
        raise ValueError(
            f"hdfs://{path} names no NameNode, and neither the Spark session's fs.defaultFS nor core-site.xml in HADOOP_CONF_DIR "
            f"does; write hdfs://host:port{path}"
        )
    return fs.PyFileSystem(Hdfs(authority, config)), path


def _by_arrow(scheme: str, authority: str, path: str) -> Location:
    """The object stores that pyarrow knows, with its options after ``?``."""
    given = f"{scheme.replace('s3a', 's3')}://{authority}{path}"
    try:
        system, place = fs.FileSystem.from_uri(given)
    except (pa.ArrowInvalid, OSError) as error:  # whose sentence may have the credentials of the URI
        sentence = str(error).replace(given, shown(given))
        raise ValueError(f"the folder {shown(given)} cannot be opened: {sentence}") from None
    return system, place.rstrip("/")


SCHEMES: dict[str, Callable[[str, str, str], Location]] = {
    "file": _local,
    "hdfs": _hdfs,
    "s3": _by_arrow,
    "s3a": _by_arrow,
    "gs": _by_arrow,
    "abfs": _by_arrow,
    "abfss": _by_arrow,
}
