"""A user's own function on several workers at once, set up as torchrun sets it up, as one Spark barrier job."""

import fcntl
import math
import os
import platform
import socket
import struct
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import BarrierTaskContext, SparkConf, cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlcore.run.control import ControlClient, ControlServer
from dlcore.spark.errors import cause_of, described, noted, pickled, rebuilt
from dlcore.spark.group import GRACE_S, LAUNCH_S, LostWorkers, open_control_server
from dlcore.spark.listener import beside, pass_on
from dlcore.spark.slots import on_demand, slots_of, wait_for_slots
from dlcore.spark.watchdog import Limits, Watchdog
from dlcore.spark.worker import MEETING_S
from dlcore.step.tuning import tune_process
from dlcore.tracking.relay import Entry, relayed

T = TypeVar("T")
RETURNED = "rank bigint, value binary, error binary, trace string"
INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR, netdevice(7)


@dataclass(frozen=True, kw_only=True)
class Call:
    """What each worker is given: the function, and where the driver is."""

    function: Callable[[], Any]
    run: str
    host: str
    port: int
    key: bytes
    workers: int


def run(
    function: Callable[[], T], workers: int, *, session: SparkSession | None = None, slots_wait_s: float = 60.0
) -> list[T]:
    """Call ``function`` on ``workers`` workers at once, and return what each returns, by rank.

    Each finds RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT in its environment, so that plain torch code for torchrun runs in
    it as it is: ``torch.distributed.init_process_group("gloo")``. What workers print and log is in the driver's log with the rank; an
    error of one is raised here as itself, and the others are ended; a lost worker is a ``LostWorkers``. It is not repeated.

    The store that torch opens on rank 0 is torch's own: it listens on all of that machine's addresses. gloo is bound to one.
    """
    session = session or SparkSession.getActiveSession()
    if session is None or workers < 1:
        raise ValueError(f"run needs an active Spark session and at least one worker, got {session=}, {workers=}")
    refuse_on_demand(session.sparkContext.getConf())
    wait_for_slots(partial(slots_of, session), workers, least=workers, wait_s=slots_wait_s, shrunk=False)
    with closing(open_control_server(session.sparkContext.getConf())) as control:
        call = Call(
            function=function,
            run=uuid.uuid4().hex[:12],
            host=control.host,
            port=control.port,
            key=control.key,
            workers=workers,
        )
        return _returned(_rows(session, control, call, slots_wait_s))


def refuse_on_demand(conf: SparkConf) -> None:
    """Say at once what Spark would say only after its own retries."""
    if on_demand(conf):
        raise ValueError(
            "run needs all its workers at once, in a barrier stage, which Spark does not grant with spark.dynamicAllocation.enabled=true; "
            "start the session without it, with a fixed spark.executor.instances"
        )


def _rows(session: SparkSession, control: ControlServer, call: Call, slots_wait_s: float) -> list[Any]:
    """What the workers of a call have ended with; raises what a failed job is to be told as."""
    limits = Limits(
        workers=call.workers, slots_s=max(LAUNCH_S, slots_wait_s), begin_s=MEETING_S, batch_s=math.inf, end_s=GRACE_S
    )
    watchdog = Watchdog(session, control, call.run, limits)

    def job() -> list[Any]:
        with watchdog.watching():
            return _barrier_job(session, call)

    try:
        return beside(job, lambda: pass_on(control, call.run))
    except (Py4JJavaError, PySparkException) as error:
        told = control.look(f"{call.run}/error")
        raise (rebuilt(told) if told else LostWorkers(str(watchdog.cause or cause_of(error)))) from error


def _returned(rows: list[Any]) -> list[Any]:
    for row in rows:
        if row.error:  # unpickled, since it came over Spark's own channel, of this very job
            raise noted(cloudpickle.loads(bytes(row.error)), rank=row.rank, trace=row.trace)
    return [cloudpickle.loads(bytes(row.value)) for row in sorted(rows, key=lambda row: row.rank)]


def _barrier_job(session: SparkSession, call: Call) -> list[Any]:
    def task(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in rows:
            pass
        yield pa.RecordBatch.from_pylist([_called(call, cores=BarrierTaskContext.get().cpus())])

    places = session.range(0, call.workers, 1, call.workers)
    return places.mapInArrow(task, RETURNED, barrier=True).collect()


def _called(call: Call, *, cores: int) -> dict[str, Any]:
    """One worker's part: its rank, and what the function returned or raised."""
    control = ControlClient(call.host, call.port, call.key, patience_s=MEETING_S)
    tune_process(cores)
    rank = control.count(f"{call.run}/arrived")
    returned: dict[str, Any] = {"rank": rank, "value": b"", "error": b"", "trace": ""}

    def tell(entries: list[Entry]) -> bool:
        return control.tell(f"{call.run}/told", {"rank": rank, "entries": entries})

    try:
        with relayed(tell), _environment(_place(call, control, rank)):
            value = cloudpickle.dumps(call.function())  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises goes to the driver
        trace = traceback.format_exc()
        control.post(f"{call.run}/error", described(error, rank=rank, trace=trace))
        control.post(f"{call.run}/left", f"an error on rank {rank}")
        return returned | {"error": pickled(error), "trace": trace}
    return returned | {"value": value}


def _place(call: Call, control: ControlClient, rank: int) -> Mapping[str, str]:
    """What torchrun tells a process: who it is, and where rank 0 is."""
    local_rank = control.count(f"{call.run}/host/{platform.node()}")
    if rank == 0:
        control.post(f"{call.run}/master", {"host": control.address, "port": _free_port(control.address)})
    master = control.wait(f"{call.run}/master")
    control.count(f"{call.run}/signs")  # from here on the function takes as long as it takes
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(call.workers),
        "LOCAL_RANK": str(local_rank),
        "MASTER_ADDR": master["host"],
        "MASTER_PORT": str(master["port"]),
        "GLOO_SOCKET_IFNAME": _interface(control.address),
    }


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        return int(found.getsockname()[1])


def _interface(address: str) -> str:
    """The name of the network interface with this address (Linux)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), INTERFACE_ADDRESS, struct.pack("256s", name.encode()))
            except OSError:  # an interface without an IPv4 address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    raise OSError(f"no network interface of {platform.node()} has the address {address}")


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the body runs: the process is Spark's, and stays."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
