import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.bootstrap import stopped
from infra.preflight import Needs, index
from infra.settings import load


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections as long as the test holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_this_machine_lacks_nothing_where_nothing_is_to_be_fetched(tmp_path: Path) -> None:
    assert Needs.of_set_up("", fetch=False).missing(tmp_path) == []


def test_set_up_needs_the_configured_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple/")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    for torch in ("", "cpu"):
        ((address, _),) = Needs.of_set_up(torch, fetch=True).addresses
        assert address == "http://127.0.0.1:1/simple/"


def test_set_up_needs_pips_own_index_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert index() == ""  # the environment's own Python has no pip
    assert "://" in index(str(load().state / "tools" / "bin" / "python"))


def test_a_cpu_build_out_of_reach_says_what_to_do() -> None:
    failed = subprocess.CalledProcessError(2, ["uv", "pip", "sync"])
    assert "leave EMBERLINE_TORCH out" in stopped(failed, "cpu")
    assert "EMBERLINE_TORCH" not in stopped(failed, "")


def test_every_lack_is_named_at_once_and_no_password_with_it(tmp_path: Path, closed_port: int) -> None:
    index = f"http://someone:secret@127.0.0.1:{closed_port}/simple/"
    needs = Needs(pythons=((3, 98), (3, 99)), memory_gb=1e6, disk_gb=1e6, addresses=((index, "name another"),))
    lacks = "\n".join(needs.missing(tmp_path / "not" / "there"))
    named = ("Python must be 3.98 to 3.99, got 3.", "memory must be", "GB free", "127.0.0.1 must be reachable")
    assert all(one in lacks for one in named)
    assert "secret" not in lacks
