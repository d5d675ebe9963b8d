import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import load
from infra.setup.bootstrap import stopped
from infra.setup.preflight import DISK_GB, Needs, index


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections as long as the test holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_this_machine_lacks_nothing_where_nothing_is_to_be_fetched(tmp_path: Path) -> None:
    assert Needs.of_set_up("cuda", {"project", "spark-classes"}, tmp_path).missing(tmp_path) == []


def test_set_up_needs_the_configured_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple/")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    for provision in ("installer", "environment", "data-fraud"):
        ((address, _),) = Needs.of_set_up("cuda", {provision}, tmp_path).addresses
        assert address == "http://127.0.0.1:1/simple/"


def test_the_environment_needs_the_disk_that_it_does_not_hold_yet(tmp_path: Path) -> None:
    assert Needs.of_set_up("cpu", {"environment"}, tmp_path).disk_gb == DISK_GB["cpu"]
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "library").write_bytes(b"1" * 1_000_000)
    assert DISK_GB["cpu"] - 0.01 < Needs.of_set_up("cpu", {"environment"}, tmp_path).disk_gb < DISK_GB["cpu"]
    assert Needs.of_set_up("cpu", {"data-fraud"}, tmp_path).disk_gb == 1.0


def test_set_up_needs_pips_own_index_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert index() == ""  # the environment's own Python has no pip
    assert "://" in index(str(load().state / "tools" / "bin" / "python"))


def test_a_cpu_build_out_of_reach_says_what_to_do() -> None:
    failed = subprocess.CalledProcessError(2, ["uv", "pip", "sync"])
    assert "EMBERLINE_TORCH=cuda" in stopped(failed, "cpu")
    assert "EMBERLINE_TORCH" not in stopped(failed, "cuda")


def test_every_lack_is_named_at_once_and_no_password_with_it(tmp_path: Path, closed_port: int) -> None:
    index = f"http://someone:secret@127.0.0.1:{closed_port}/simple/"
    needs = Needs(pythons=((3, 98), (3, 99)), memory_gb=1e6, disk_gb=1e6, addresses=((index, "name another"),))
    lacks = "\n".join(needs.missing(tmp_path / "not" / "there"))
    named = ("Python must be 3.98 to 3.99, got 3.", "memory must be", "GB free", "127.0.0.1 must be reachable")
    assert all(one in lacks for one in named)
    assert "secret" not in lacks
