"""Try every address and folder of the settings, and say a sentence for each."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pyspark

from infra.airflow.service import Service
from infra.hbase.client import Address
from infra.hbase.service import Service as Hbase
from infra.hbase.service import answers, reached
from infra.settings import Settings
from infra.setup import jre
from infra.setup.jars import Jars
from infra.spark import java_home, mkl
from infra.trial import Finding, findings

MARKS = {True: "ok", False: "FAIL", None: "not tried"}


def report(settings: Settings) -> bool:
    """Print each finding; say whether none is bad."""
    found = [*_said(quick(settings))]
    sound = all(good is not False for good, _ in found)
    unsound: Finding = (None, "a step's session: it is tried once all that failed above is good")
    return all(good is not False for good, _ in _said(findings(settings) if sound else [unsound])) and sound


def _said(given: Iterable[Finding]) -> list[Finding]:
    found = []
    for good, sentence in given:
        print(f"{MARKS[good]:<9}  {sentence}", flush=True)
        found.append((good, sentence))
    return found


def quick(settings: Settings) -> Iterator[Finding]:
    """What is known without a session: it would wait for minutes for what does not answer."""
    yield writable("state", settings.state)
    yield warehouse(settings.warehouse)
    yield registry(settings.registry)
    yield landing(settings.landing)
    yield metastore(settings)
    yield master(settings.spark_master)
    yield driver(settings.driver_address)
    yield java()
    yield spark_versions()
    yield blas()
    yield hbase(settings)
    yield airflow(settings)


def warehouse(place: str) -> Finding:
    """Whether tables may be written; behind another file system, whether that answers."""
    return _remote("warehouse", place) if _scheme(place) else writable("warehouse", Path(urlsplit(place).path))


def registry(place: str) -> Finding:
    """Whether models may be written."""
    if "://" in place:
        return False, f"registry must be a folder, got {place}; name one that all hosts see"
    return writable("registry", Path(place))


def writable(name: str, folder: Path) -> Finding:
    """Whether the platform may write to a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return (
            False,
            f"{name} {folder} cannot be written: {error}; correct the setting `{name}` or the folder's rights",
        )
    return True, f"{name} {folder} can be written, {free:.0f} GB are free"


def landing(place: str) -> Finding:
    """Whether source files have arrived; behind another file system, whether that answers."""
    if _scheme(place):
        return _remote("landing", place)
    found = Path(urlsplit(place).path).glob("*/ds=*/**/*")
    files = [file for file in found if file.is_file() and os.access(file, os.R_OK)]
    if not files:
        return (False, f"landing {place} holds no readable file below APP/ds=DATE; make setup brings the demo's")
    return (
        True,
        f"landing {place} holds {len(files)} readable files, {sum(f.stat().st_size for f in files) / 1e6:.0f} MB",
    )


def metastore(settings: Settings) -> Finding:
    if not settings.metastore:
        return (None, f"metastore: embedded on Derby in {settings.state / 'metastore'}, which only a session can open")
    return _answers("metastore", settings.metastore)


def master(address: str) -> Finding:
    if address.startswith("local"):
        return True, f"spark_master {address}: inside each step"
    if address.startswith("spark://"):
        return _answers("spark_master", address)
    if address.startswith("k8s://"):
        return _api(address.removeprefix("k8s://"))
    return None, f"spark_master {address}: only a submitted step asks its cluster"


def _api(server: str) -> Finding:
    """Whether the API server of a Kubernetes cluster answers, whose protocol is HTTPS where its address names none."""
    url = server if "://" in server else f"https://{server}"
    if urlsplit(url).port is None:
        return False, f"spark_master k8s://{server} must name the port too, as k8s://https://host:443 does"
    return _answers("spark_master", url)


def driver(address: str) -> Finding:
    """Whether steps here can listen where executors are to reach them."""
    if reason := _refused(address, 0):
        return False, f"driver_address {address} is not this machine's: {reason}; name one of its own"
    return True, f"driver_address {address}: a step's driver can listen there"


def java() -> Finding:
    """Which Java the steps start, and whether Spark runs on it."""
    if home := java_home():
        return True, f"Java: the one that set-up made in {home['JAVA_HOME']}"
    found = jre.found()
    if found is None or found.version not in jre.VERSIONS:
        return (
            False,
            f"Java must be {' or '.join(map(str, jre.VERSIONS))}, got {found or 'none'}; make setup brings one",
        )
    return True, str(found)


def spark_versions() -> Finding:
    """Whether the Python side and the jars of Spark are of one version, which pip does not check."""
    jars = {file.stem.rpartition("-")[2] for file in (Path(pyspark.__file__).parent / "jars").glob("spark-core_*.jar")}
    same = jars == {pyspark.__version__}
    return (
        same,
        f"Spark {pyspark.__version__} in Python, {', '.join(jars) or 'no'} jars"
        + ("" if same else "; run: make setup"),
    )


def blas() -> Finding:
    library = mkl()
    return (
        library is not None,
        f"MKL for Spark ML: {library or 'not installed; Spark ML falls back to slower Java code'}",
    )


def airflow(settings: Settings) -> Finding:
    """Whether Airflow is healthy, or could listen where it does not run; that it does not run is no failure."""
    service = Service(settings=settings)
    if service.leader is None:
        return _bindable(settings.airflow_host, settings.airflow_port)
    trouble = service.trouble()
    return (
        not trouble,
        f"Airflow at {service.client().url} {trouble}"
        if trouble
        else f"Airflow at {service.client().url}: every part is healthy",
    )


def hbase(settings: Settings) -> Finding:
    """Whether HBase answers behind its Thrift servers; that the embedded one does not run is no failure."""
    if settings.hbase_thrift:
        return _lists_tables(reached(settings))
    service = Hbase(settings=settings)
    if service.running():
        return _lists_tables(service.address)
    if not Jars(cache=service.cache).present():
        return None, f"HBase: embedded, and its jars are not in {service.cache}; make extras brings them"
    return None, "HBase: embedded, and not running; the steps that need it start it"


def _lists_tables(address: Address) -> Finding:
    hosts = ", ".join(address.hosts)
    if silent := [host for host in address.hosts if not answers(replace(address, hosts=(host,)))]:
        return False, f"HBase at {', '.join(silent)} does not answer; start it, or correct the setting `hbase_thrift`"
    return True, f"HBase answers at {hosts}"


def _bindable(host: str, port: int) -> Finding:
    where = f"{host}, {f'port {port}' if port else 'a free port'}"
    if reason := _refused(host, port):
        return (
            False,
            f"Airflow cannot listen on {where}: {reason}; correct the setting `airflow_host` or `airflow_port`",
        )
    return True, f"Airflow does not run; make airflow starts it on {where}"


def _refused(host: str, port: int) -> OSError | None:
    """Why nothing can listen there, or None where it can."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return error
    return None


def _answers(name: str, address: str) -> Finding:
    """Whether something accepts connections at one of the addresses, written host:port and separated by commas."""
    for one in address.split(","):
        try:
            parts = urlsplit(one if "://" in one else f"tcp://{one}")
            socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
        except (OSError, ValueError) as error:
            return (False, f"{name} {one} does not answer: {error}; start it, or correct the setting `{name}`")
    return True, f"{name} {address} answers"


def _scheme(place: str) -> str:
    """The file system that a place is on; empty for this machine's own."""
    return urlsplit(place).scheme.removeprefix("file")


def _remote(name: str, place: str) -> Finding:
    """Whether the file system of a place answers, which is known where its address stands in the place."""
    if _scheme(place) == "hdfs" and ":" in urlsplit(place).netloc:
        return _answers(name, place)
    return None, f"{name} {place}: the address of {_scheme(place)} is in Hadoop's own configuration"
