"""The embedded HBase by hand: ``python -m infra.hbase start`` leaves it running, ``stop`` ends it, ``address`` says where it is."""

import argparse

from infra import settings as platform
from infra.hbase.service import Service


def main() -> None:
    parser = argparse.ArgumentParser(prog="infra.hbase", description="Start, find or stop the embedded HBase.")
    parser.add_argument("command", choices=["start", "address", "stop"])
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a setting")
    given = parser.parse_args()
    service = Service(settings=platform.load(given.set))
    if given.command == "stop":
        print("HBase is stopped" if service.stop() else "no HBase runs")
        return
    address = service.start() if given.command == "start" else service.address
    print(f"HBase's Thrift server: {', '.join(address.hosts)}")


if __name__ == "__main__":
    main()
