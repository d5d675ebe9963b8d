import os
import signal
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from infra.hbase.client import Address
from infra.hbase.service import Service
from infra.settings import Settings
from infra.setup.jars import HBASE
from tests.services import wait_for


def listening(service: Service) -> set[str]:
    """The addresses at which the processes of a service listen."""
    found = [
        one.laddr for pid in service.pids() for one in psutil.Process(pid).net_connections() if one.status == "LISTEN"
    ]
    return {address.ip.removeprefix("::ffff:") for address in found}


def test_a_second_hbase_runs_beside_the_first_and_leaves_nothing_but_its_data(service: Service, tmp_path: Path) -> None:
    first = service.start()
    other = Service(settings=Settings(state=tmp_path / "state"))
    with pytest.raises(RuntimeError, match=r"no HBase runs on .*; start it with: python -m infra.hbase start"):
        other.address  # noqa: B018 (it is asked for)
    assert not other.stop()
    temporary = set(Path("/tmp").glob("h*base*"))
    try:
        second = other.start()
        pids = other.pids()
        assert second != first
        assert listening(other) == listening(service) == {"127.0.0.1"}
        assert Service(settings=other.settings).start() == second
        assert other.pids() == pids
        with closing(second.connect()) as connection:
            connection.create_table("only-here", {"results": {}})
            assert connection.tables() == [b"only-here"]
        with closing(first.connect()) as connection:
            assert b"only-here" not in connection.tables()
    finally:
        assert other.stop()
    assert not any(map(lives, pids))
    assert not other.stop()
    assert not [pid for pid in pids if list(Path("/tmp").glob(f"hsperfdata*/{pid}"))]
    assert set(Path("/tmp").glob("h*base*")) <= temporary


def lives(pid: int) -> bool:
    """Whether a process has not ended; this process started it, and may not have noticed."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.usefixtures("idled")
def test_what_was_acknowledged_is_there_after_both_were_killed_at_once(
    service: Service, address: Address, table: str
) -> None:
    with closing(address.connect()) as connection:
        for number in range(500):
            connection.table(table).put(b"%03d" % number, {b"results:x": b"small"})
    killed = service.pids()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(lives, killed)))  # one that ends still takes connections, for a moment
    again = service.start()
    assert again == address
    with closing(again.connect()) as connection:
        assert [key for key, _ in connection.table(table).scan()] == [b"%03d" % number for number in range(500)]


def test_an_hbase_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    (tmp_path / f"hbase-{HBASE.version}").mkdir()
    broken = Service(settings=Settings(state=tmp_path), cache=tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)HBase did not start: .* ended; the end of .*hbase(-thrift)?\.log:"):
        broken.start()
    assert broken.pids() == []


def test_jars_that_are_not_there_are_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"fetch them with: python -m infra\.setup\.jars"):
        Service(settings=Settings(state=tmp_path), cache=tmp_path).start()
