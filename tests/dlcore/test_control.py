"""The switchboard listens where it is told to; what cannot reach it says so."""

import socket

import psutil
import pytest
from pyspark import SparkConf

from dlcore.control import WAITING, Line, Switchboard
from dlcore.group import open_switchboard


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
    switchboard = open_switchboard(outside)
    assert (switchboard.host, switchboard.port) == ("here.example", free)
    assert listening() - before == {("127.0.0.2", free)}
    local = open_switchboard(conf(master="local-cluster[2,1,1024]", driver_host="here.example"))
    assert listening() - before == {("127.0.0.2", free), ("127.0.0.1", local.port)}
    assert local.host == "127.0.0.1"


def test_a_worker_that_cannot_reach_the_driver_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(ConnectionError, match=rf"must reach the driver, which listens on 127\.0\.0\.1:{port}"):
        Line("127.0.0.1", port, patience_s=1)


def test_a_queue_keeps_order_and_takes_no_more_than_it_may() -> None:
    switchboard = Switchboard("127.0.0.1")
    line = Line(switchboard.host, switchboard.port, patience_s=1)
    assert switchboard.take("told") is None
    assert [line.tell("told", n) for n in range(WAITING + 1)] == [True] * WAITING + [False]
    assert [switchboard.take("told") for _ in range(WAITING + 1)] == [*range(WAITING), None]
