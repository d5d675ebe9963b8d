"""Try every address and folder of the settings, and say a sentence for each."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyspark

from infra import jre
from infra.service import Service
from infra.settings import Settings
from infra.spark import java_home, mkl

Finding = tuple[bool, str]


def report(settings: Settings) -> bool:
    """Print each finding; say whether all are good."""
    findings = list(everything(settings))
    for good, sentence in findings:
        print(f"{'ok  ' if good else 'FAIL'}  {sentence}")
    return all(good for good, _ in findings)


def everything(settings: Settings) -> Iterator[Finding]:
    for name in ("state", "warehouse", "registry"):
        yield writable(name, str(getattr(settings, name)))
    yield landing(settings.landing)
    yield metastore(settings)
    yield master(settings.spark_master)
    yield java()
    yield spark_versions()
    yield blas()
    yield airflow(settings)


def writable(name: str, place: str) -> Finding:
    """Whether the platform may write to a folder; one behind another file system is left to that system's own tools."""
    if _remote(place):
        return (True, f"{name} {place} is on {urlsplit(place).scheme}; the first step that writes there will try it")
    folder = Path(urlsplit(place).path)
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
    """Whether source files have arrived."""
    if _remote(place):
        return (True, f"landing {place} is on {urlsplit(place).scheme}; the first ingest will try it")
    files = [file for file in Path(urlsplit(place).path).glob("*/ds=*/*") if os.access(file, os.R_OK)]
    if not files:
        return (False, f"landing {place} holds no readable file below APP/ds=DATE; make setup brings the demo's")
    return (
        True,
        f"landing {place} holds {len(files)} readable files, {sum(f.stat().st_size for f in files) / 1e6:.0f} MB",
    )


def metastore(settings: Settings) -> Finding:
    if not settings.metastore:
        return (True, f"metastore: embedded on Derby in {settings.state / 'metastore'}, one session at a time")
    return _answers("metastore", settings.metastore)


def master(address: str) -> Finding:
    if address.startswith("spark://"):
        return _answers("spark_master", address)
    return True, f"spark_master {address}: " + (
        "inside each step" if address.startswith("local") else "tried by the first step"
    )


def java() -> Finding:
    """Which Java the steps start, and whether Spark runs on it."""
    if home := java_home():
        return True, f"Java: the one that set-up made in {home['JAVA_HOME']}"
    found = jre.found()
    if found is None or found[1] not in jre.VERSIONS:
        return (
            False,
            f"Java must be {' or '.join(map(str, jre.VERSIONS))}, got {found or 'none'}; make setup brings one",
        )
    return True, f"Java {found[1]}: {found[0]}"


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
    """Whether Airflow runs and is healthy; that it does not run is no failure."""
    service = Service(settings=settings)
    if service.leader is None:
        return (True, f"Airflow does not run; make airflow starts it on {settings.airflow_host}")
    client = service.client()
    try:
        health = client.health()
    except httpx.HTTPError as error:
        return (False, f"Airflow at {client.url} does not answer: {error}; it may be starting, else see {service.log}")
    ill = {part: status for part, status in health.items() if status not in ("healthy", None)}
    return not ill, f"Airflow at {client.url}: {ill or 'every part is healthy'}"


def _answers(name: str, address: str) -> Finding:
    """Whether something accepts connections at one of the addresses, written host:port and separated by commas."""
    for one in address.split(","):
        parts = urlsplit(one if "://" in one else f"tcp://{one}")
        try:
            socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5).close()
        except OSError as error:
            return (False, f"{name} {one} does not answer: {error}; start it, or correct the setting `{name}`")
    return True, f"{name} {address} answers"


def _remote(place: str) -> bool:
    return urlsplit(place).scheme not in ("", "file")
