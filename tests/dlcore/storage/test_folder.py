"""A folder is the same on every file system: this machine's, HDFS, S3."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from dlcore.storage.folder import CHUNK, Folder


@pytest.fixture(params=["local", "subtree", "hdfs", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return Folder(str(tmp_path))
    if request.param == "subtree":
        return Folder("run", SubTreeFileSystem(str(tmp_path), LocalFileSystem()))
    server = request.getfixturevalue(request.param)
    uri = server.format(tmp_path.name) if request.param == "s3" else f"hdfs://{server}/{tmp_path.name}"
    return Folder.of(uri)


def test_files_are_written_read_listed_and_deleted(folder: Folder) -> None:
    folder = pickle.loads(pickle.dumps(folder))
    folder.refuse_unreachable()
    assert (folder.names(), folder.exists("a")) == ([], False)
    folder.remove()
    below = folder / "sub"
    below.put("deep/b", b"piece")
    for content in (b"old", b"n" * (CHUNK + 1)):
        folder.write("a", content)
        assert (folder.read("a"), b"".join(folder.chunks("a"))) == (content, content)
    assert folder.mapped("a").read_at(2, CHUNK) == b"n"
    assert (folder.names(), folder.exists("a"), folder.exists("sub")) == (["a", "sub"], True, False)
    with pytest.raises(FileNotFoundError):
        folder.read("none")
    folder.delete("a")
    assert (folder.names(), below.names()) == (["sub"], ["deep"])
    below.remove()
    assert below.names() == []


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", ".."])
@pytest.mark.parametrize("act", [Folder.read, Folder.delete, Folder.exists, Folder.__truediv__])
def test_no_name_leads_out_of_a_folder(act: Callable[[Folder, str], object], name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must lead to a place below it"):
        act(Folder(str(tmp_path)), name)


def test_its_name_has_no_secret(s3: str, hdfs: str) -> None:
    folder = Folder.of(s3.format("run")) / "commits"
    assert folder.where == "s3://bucket/run/commits"
    assert "secret" not in repr(folder)
    assert (Folder.of(f"hdfs://{hdfs}/run") / "commits").where == f"hdfs://{hdfs}/run/commits"


@pytest.mark.parametrize(
    "uri",
    ["hdfs://127.0.0.1:1/run", "s3://me:very-secret@bucket/run?endpoint_override=127.0.0.1:1&scheme=http&region=r"],
)
def test_what_cannot_be_reached_is_refused_by_name(uri: str) -> None:
    folder = Folder.of(uri)
    with pytest.raises(ConnectionError, match=r"the folder .*//.*/run cannot be reached: .*onnect") as refused:
        folder.refuse_unreachable()
    assert "secret" not in str(refused.value)


def test_a_folder_is_made_of_a_path_not_of_a_uri() -> None:
    with pytest.raises(ValueError, match=r"make one by Folder\.of\('s3://bucket/run'\)"):
        Folder("s3://me:very-secret@bucket/run")
    with pytest.raises(ValueError, match="absolute path of this machine, got 'run'"):
        Folder("run")
