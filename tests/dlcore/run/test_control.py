"""The control listens where it is told to, to those alone who have its key; what cannot reach it says so."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge

import psutil
import pytest
import torch
from pyspark import SparkConf

from dlcore.parallel.collective import BrokenGroup, ProcessGroup
from dlcore.run.board import WAITING
from dlcore.run.control import KEY_BYTES, ControlClient, ControlServer, LostDriver
from dlcore.spark.group import open_control_server


def listening() -> set[tuple[str, int]]:
    found = [c.laddr for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return {(str(address.ip), int(address.port)) for address in found if address}


def conf(**settings: str) -> SparkConf:
    found = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        found.set(f"spark.{name.replace('_', '.')}", value)
    return found


def test_it_binds_where_spark_does_and_is_told_to_workers_as_spark_is() -> None:
    before = listening()
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    outside = conf(
        master="spark://x:1", driver_host="here.example", driver_bindAddress="127.0.0.2", dlcore_port=str(free)
    )
    control = open_control_server(outside)
    assert (control.host, control.port) == ("here.example", free)
    assert listening() - before == {("127.0.0.2", free)}
    local = open_control_server(conf(master="local-cluster[2,1,1024]", driver_host="here.example"))
    assert listening() - before == {("127.0.0.2", free), ("127.0.0.1", local.port)}
    assert local.host == "127.0.0.1"
    for each in (control, local):
        each.close()
    assert listening() == before


def test_a_worker_that_cannot_reach_the_driver_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(ConnectionError, match=rf"must reach the driver, which listens on 127\.0\.0\.1:{port}"):
        ControlClient("127.0.0.1", port, bytes(KEY_BYTES), patience_s=1)


def test_a_queue_keeps_order_and_takes_no_more_than_it_may() -> None:
    control = ControlServer("127.0.0.1")
    line = ControlClient(control.host, control.port, control.key, patience_s=1)
    assert control.take("told") is None
    assert [line.tell("told", n) for n in range(WAITING + 1)] == [True] * WAITING + [False]
    assert [control.take("told") for _ in range(WAITING + 1)] == [*range(WAITING), None]
    control.close()


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def control(request: pytest.FixtureRequest) -> Iterator[ControlServer]:
    """A control server on an address of each kind, as Spark writes it."""
    server = ControlServer(request.param)
    yield server
    server.close()


def connected(control: ControlServer, *, patience_s: float = 10) -> ControlClient:
    return ControlClient(control.host, control.port, control.key, patience_s=patience_s)


def stranger(control: ControlServer) -> Connection:
    """Who has come to the port."""
    return Connection(socket.create_connection((control.host, control.port)).detach())


def test_who_has_not_the_key_is_refused_and_changes_nothing(
    control: ControlServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What anybody could do who reached the port: see keys, seal a state, stop a run."""
    control.post("run/stop", False)
    with pytest.raises(AuthenticationError):
        answer_challenge(stranger(control), b"a guess")
    with stranger(control) as client:
        assert client.recv_bytes().startswith(b"#CHALLENGE#")
        client.send_bytes(json.dumps(["post", "run/stop", True]).encode())
        assert client.recv_bytes() == b"#FAILURE#"
        with pytest.raises(EOFError):
            client.recv_bytes()
    with pytest.raises(ConnectionError, match="is no control server of this run"):
        ControlClient(control.host, control.port, bytes(KEY_BYTES), patience_s=5)
    assert control.look("run/stop") is False
    assert connected(control).look("run/stop") is False
    assert "a client without the run's key was refused" in caplog.text


def test_a_server_that_has_not_the_key_gets_nothing_from_a_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as false:
        threading.Thread(target=lambda: false.accept()[0].close()).start()
        with pytest.raises(ConnectionError, match="is no control server of this run"):
            ControlClient("127.0.0.1", false.getsockname()[1], bytes(KEY_BYTES), patience_s=5)


def test_a_driver_that_is_silent_when_a_worker_comes_is_lost_too_and_no_stranger() -> None:
    """It listens, as its kernel does while it is stopped."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(LostDriver, match="the driver does not answer yet"),
    ):
        ControlClient("127.0.0.1", silent.getsockname()[1], bytes(KEY_BYTES), patience_s=5, answer_s=0.2)


def test_a_driver_that_is_silent_is_lost_for_good(control: ControlServer) -> None:
    """As behind a cut link; an answer that comes after all must not be taken for that of another question."""
    client = ControlClient(control.host, control.port, control.key, patience_s=5, answer_s=0.2)
    with pytest.raises(LostDriver, match="the driver does not answer any more"):
        client._ask("wait", "go", 0.6)
    control.post("go", True)
    with pytest.raises(LostDriver, match="the driver does not answer any more"):
        client.look("go")


def test_messages_counters_and_waiting(control: ControlServer) -> None:
    one, other = connected(control), connected(control, patience_s=0.3)
    assert [one.count("arrived"), other.count("arrived"), control.look("arrived")] == [0, 1, 2]
    with pytest.raises(BrokenGroup, match=r"waited in vain for the others \(go\), for 0\.3 s"):
        other.wait("go")
    threading.Timer(0.1, one.post, ("go", {"step": 3})).start()
    assert connected(control).wait("go") == {"step": 3}


def test_who_waits_holds_up_nobody_that_shares_the_connection(control: ControlServer) -> None:
    client = connected(control)
    waiting = threading.Thread(target=client.wait, args=("go",))
    waiting.start()
    for number in range(5):
        client.post("signs", number)
    client.post("go", True)
    waiting.join()
    assert control.look("signs") == 4


def test_a_process_group_meets_through_it(control: ControlServer) -> None:
    summed: dict[int, list[float]] = {}

    def take_part(rank: int) -> None:
        client = connected(control)
        tensor = torch.full((2,), float(rank + 1))
        store, address = client.sub("group"), client.address
        with closing(ProcessGroup(store, rank=rank, workers=2, address=address, patience_s=20)) as group:
            group.sum(tensor)()
        summed[rank] = tensor.tolist()

    workers = [threading.Thread(target=take_part, args=(rank,)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert summed == {0: [3.0, 3.0], 1: [3.0, 3.0]}


def test_who_waits_is_patient_with_those_that_come_on(control: ControlServer) -> None:
    client, stopped = connected(control, patience_s=0.4), threading.Event()

    def come_on() -> None:
        other = connected(control)
        for _ in range(10):
            other.count("loading")
            stopped.wait(0.1)
        other.post("go", True)

    loading = threading.Thread(target=come_on)
    loading.start()
    assert client.wait("go", signs="loading") is True
    loading.join()
    with pytest.raises(BrokenGroup, match="waited in vain"):
        client.wait("none", signs="loading")
