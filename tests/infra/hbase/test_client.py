import pickle
import time

import pytest

from infra.hbase.client import Address, Client, Unavailable
from infra.hbase.site import free_ports


def test_a_region_is_read_through_the_thrift_server_beside_it() -> None:
    address = Address(hosts=("one:9090", "two:9090", "three:9091"))
    assert address.nearest("two", b"40") == 1
    assert {address.nearest("four", bytes([first])) for first in range(64)} == {0, 1, 2}


def test_an_address_travels_to_executors() -> None:
    address = Address(hosts=("one:9090",), patience_s=3.0)
    assert pickle.loads(pickle.dumps(address)) == address


def test_what_is_not_supported_yet_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="TLS to the Thrift servers is not supported yet"):
        Address(hosts=("one:9090",), tls=True)
    with pytest.raises(ValueError, match=r"Kerberos .* is not supported yet"):
        Address(hosts=("one:9090",), kerberos=True)
    with pytest.raises(ValueError, match="at least one Thrift server"):
        Address(hosts=())
    with pytest.raises(ValueError, match="as host:port, got 'one'"):
        Address(hosts=("one",))


def test_an_hbase_that_stays_away_is_given_up_with_the_cause() -> None:
    address = Address(hosts=(f"127.0.0.1:{free_ports(1)[0]}",), patience_s=1.0)
    began = time.monotonic()
    with (
        Client(address) as client,
        pytest.raises(Unavailable, match=r"did not answer for 1 s: TTransportException: Could not connect"),
    ):
        client.call(lambda thrift: thrift.getTableNames())
    assert 1.0 <= time.monotonic() - began < 5.0
