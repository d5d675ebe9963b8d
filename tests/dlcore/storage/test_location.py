"""Where a folder is: every way to write it, and what is refused."""

import os
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem, PyFileSystem, S3FileSystem

from dlcore.storage.hdfs import Hdfs
from dlcore.storage.location import located, shown


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)


def configured(folder: Path, **settings: str) -> None:
    lines = "".join(f"<property><name>{n}</name><value>{value}</value></property>" for n, value in settings.items())
    (folder / "core-site.xml").write_text(f"<configuration>{lines}</configuration>")


@pytest.mark.parametrize("given", ["{}/a b", "file:{}/a%20b", "file://{}/a%20b", "file://localhost{}/a%20b"])
def test_a_folder_of_this_machine(given: str, tmp_path: Path) -> None:
    assert located(given.format(tmp_path)) == (LocalFileSystem(), str(tmp_path / "a b"))
    assert located(tmp_path / "a b") == (LocalFileSystem(), str(tmp_path / "a b"))


def test_a_relative_path_is_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("models/run", "./v:2", Path("models")):
        assert located(given)[1] == os.path.join(os.getcwd(), str(Path(given)))


def test_hdfs_with_its_namenode() -> None:
    system, path = located("hdfs://name:8020/models/a%20b")
    assert (system, path) == (PyFileSystem(Hdfs("name:8020", {})), "/models/a%20b")  # as Hadoop reads it


@pytest.mark.parametrize("given", ["hdfs:///models/run", "hdfs:/models/run"])
def test_hdfs_without_is_that_of_hadoops_configuration(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"hdfs:///models/run names no NameNode.*write hdfs://host:port/models/run"):
        located(given)
    names = {"dfs.nameservices": "ours", "dfs.ha.namenodes.ours": "one", "dfs.namenode.rpc-address.ours.one": "a:1"}
    configured(tmp_path, **names, **{"fs.defaultFS": "hdfs://ours", "dfs.blocksize": "1"})
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert located(given) == (PyFileSystem(Hdfs("ours", names)), "/models/run")
    configured(tmp_path, **{"fs.defaultFS": "file:///"})
    with pytest.raises(ValueError, match="names no NameNode"):
        located(given)


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_options_of_s3_are_no_part_of_the_path(scheme: str) -> None:
    options = {"endpoint_override": "here:1", "scheme": "http", "region": "r"}
    given = f"{scheme}://me:secret@bucket/models/run/?endpoint_override=here:1&scheme=http&region=r"
    assert located(given) == (S3FileSystem(access_key="me", secret_key="secret", **options), "bucket/models/run")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://me:secret@host/run", r"begins with file:, hdfs:, s3:.*got ftp://host/run"),
        ("file://host/run", r"names a folder of this machine.*'host'"),
        (Path("hdfs://name:8020/run"), r"pathlib takes a slash out of a URI"),
        ("s3://me:secret@bucket/run?colour=red", r"the folder s3://bucket/run cannot be opened: .*colour"),
        ("s3://me:sec ret@bucket/run", "the folder s3://bucket/run cannot be opened"),
    ],
)
def test_what_cannot_be_one_is_refused_without_its_secrets(given: str | Path, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        located(given)
    assert "secret" not in str(refused.value) + str(refused.value.__cause__) and "sec ret" not in str(refused.value)


def test_what_is_shown_of_a_uri_has_no_secret() -> None:
    assert shown("s3://me:a/b@bucket/run?x=y") == "s3://bucket/run"
