"""The control listens where it is told to; what cannot reach it says so."""

import socket

import psutil
import pytest
from pyspark import SparkConf

from dlcore.run.control import WAITING, ControlClient, ControlServer
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


def test_a_worker_that_cannot_reach_the_driver_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(ConnectionError, match=rf"must reach the driver, which listens on 127\.0\.0\.1:{port}"):
        ControlClient("127.0.0.1", port, patience_s=1)


def test_a_queue_keeps_order_and_takes_no_more_than_it_may() -> None:
    control = ControlServer("127.0.0.1")
    line = ControlClient(control.host, control.port, patience_s=1)
    assert control.take("told") is None
    assert [line.tell("told", n) for n in range(WAITING + 1)] == [True] * WAITING + [False]
    assert [control.take("told") for _ in range(WAITING + 1)] == [*range(WAITING), None]
