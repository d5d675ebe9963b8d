"""Of all who try to create a file one does, on each file system that a run's ownership rests on; on others it is refused."""

import threading
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from dlcore.storage.folder import Folder


@pytest.fixture(params=["local", "hdfs", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return Folder(str(tmp_path))
    server = request.getfixturevalue(request.param)
    return Folder.of(server.format(tmp_path.name) if request.param == "s3" else f"hdfs://{server}/{tmp_path.name}")


def test_one_of_eight_wins_and_its_file_is_whole(folder: Folder) -> None:
    won, together = list[int](), threading.Barrier(8)

    def create(number: int) -> None:
        together.wait()
        if folder.create("deep/entry", str(number).encode() * 1000):
            won.append(number)

    racers = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    [winner] = won
    assert (folder / "deep").names() == ["entry"]
    assert folder.read("deep/entry") == str(winner).encode() * 1000


def test_who_tries_again_after_an_answer_was_lost_has_still_won(folder: Folder) -> None:
    assert folder.create("entry", b"mine")
    assert folder.create("entry", b"mine")
    assert not folder.create("entry", b"another's")
    assert folder.read("entry") == b"mine"


def test_where_none_can_be_exclusive_a_run_is_refused_or_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    with pytest.raises(ValueError, match="this machine's, HDFS and S3 have that, subtree is not known to"):
        Folder("run", system).refuse_several_writers()
    promised = Folder("run", system, single_writer=True)
    promised.refuse_several_writers()
    assert "subtree://run has no exclusive files" in caplog.text
    assert (promised / "a").create("entry", b"mine")
    assert not (promised / "a").create("entry", b"another's")
