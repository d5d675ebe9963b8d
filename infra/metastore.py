"""A Hive metastore service over the embedded Derby, for several sessions at once: ``python -m infra.metastore``.

Hive's own launcher (2.3) listens on every interface. This one starts the same handler behind a socket that is bound to
one address, loopback unless another is given. Sessions then use it by the setting ``metastore``.
"""

import argparse
import os
from typing import Any

from pyspark.java_gateway import launch_gateway

from infra import settings as platform
from infra import spark as engine
from infra.settings import Settings
from infra.tables import hadoop


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until this process is ended; port 0 takes a free one. The address is printed when sessions may connect."""
    os.environ.update(engine.configure(settings))
    start: Any = launch_gateway
    jvm = start().jvm
    socket = jvm.org.apache.thrift.transport.TServerSocket(jvm.java.net.InetSocketAddress(host, port))
    server = _server(jvm, socket, _handler(jvm, settings))
    print(f"thrift://{host}:{socket.getServerSocket().getLocalPort()}", flush=True)
    server.serve()


def _handler(jvm: Any, settings: Settings) -> Any:
    conf = jvm.org.apache.hadoop.hive.conf.HiveConf()
    values = {
        "javax.jdo.option.ConnectionURL": engine.derby(settings),
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": hadoop.uri(settings.warehouse),
    }
    for name, value in values.items():
        conf.set(name, value)
    store = jvm.org.apache.hadoop.hive.metastore
    handler = getattr(store, "HiveMetaStore$HMSHandler")("emberline", conf, False)
    return store.HiveMetaStore.newRetryingHMSHandler(handler, conf, False)


def _server(jvm: Any, socket: Any, handler: Any) -> Any:
    thrift = jvm.org.apache.thrift.server
    arguments = getattr(thrift, "TThreadPoolServer$Args")(socket)
    arguments.processor(jvm.org.apache.hadoop.hive.metastore.TSetIpAddressProcessor(handler))
    return thrift.TThreadPoolServer(arguments)


def main() -> None:
    parser = argparse.ArgumentParser(prog="infra.metastore", description="Serve the embedded Hive metastore.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9083, help="port to listen on; 0: a free one")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a setting")
    given = parser.parse_args()
    serve(platform.load(given.set), given.host, given.port)


if __name__ == "__main__":
    main()
