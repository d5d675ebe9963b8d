"""The embedded Airflow's life: started once in a session of its own, waited for, found again, and ended whole."""

import json
import os
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

from infra import processes
from infra.airflow.client import Airflow
from infra.airflow.results import named
from infra.settings import Settings
from infra.spark import configure

REPOSITORY = Path(__file__).resolve().parents[2]
COMPONENTS = ("metadatabase", "scheduler", "dag_processor")
POOLS = {"hive": (1, "steps that hold the Hive metastore take turns"), "spark": (2, "steps that need Spark alone")}
"""The pools that DAGs name: slots, and what they are for."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Airflow standalone on SQLite below ``<state>/airflow``."""

    settings: Settings
    dags: Path = REPOSITORY / "dags"
    patience_s: float = 420.0

    @property
    def home(self) -> Path:
        return self.settings.state / "airflow"

    @property
    def log(self) -> Path:
        """Where everything that Airflow's own processes print goes."""
        return self.settings.state / "logs" / "airflow.log"

    @property
    def leader(self) -> int | None:
        """The process id of the running Airflow's first process, or None."""
        if not self._note.exists():
            return None
        note = json.loads(self._note.read_text())
        members = processes.session_members(note["pid"])
        another = any(member.pid == note["pid"] and member.create_time() != note["born"] for member in members)
        return int(note["pid"]) if members and not another else None

    def client(self) -> Airflow:
        """A client of the running Airflow."""
        if self.leader is None:
            raise RuntimeError(f"no Airflow runs on {self.home}; start it with: make airflow")
        return Airflow(url=json.loads(self._note.read_text())["url"], password=self.password())

    def trouble(self) -> str:
        """What ails the running Airflow; an empty text where every part of it is healthy."""
        leader = self.leader
        if leader is not None and leader not in [member.pid for member in processes.session_members(leader)]:
            return "its first process has ended, so nothing starts again what dies: make stop, then make airflow"
        try:
            health = self.client().health()
        except httpx.HTTPError as error:
            return f"does not answer: {error}; it may be starting, else see {self.log}"
        ill = [f"{part} is {status}" for part, status in health.items() if status not in ("healthy", None)]
        return f"{', '.join(ill)}; what dies is started again, and {self.log} says why it died" if ill else ""

    def start(self) -> Airflow:
        """Start Airflow and wait until it schedules; refuse where it already runs."""
        if self.leader is not None:
            raise RuntimeError(f"Airflow already runs at {self.client().url}; stop it with: make stop")
        with free_port(self.settings.airflow_host) as port:
            return self._start(self.settings.airflow_port or port)

    def _start(self, port: int) -> Airflow:
        url = f"http://{self.settings.airflow_host}:{port}"
        self.password()
        self._launch(url, port)
        airflow = Airflow(url=url, password=self.password())
        try:
            self._wait("Airflow's health", lambda: _healthy(airflow))
            for pool, (slots, what) in POOLS.items():
                airflow.pool(pool, slots, what)
        except BaseException:
            self.stop()
            raise
        return airflow

    def stop(self) -> bool:
        """End every process of the service; say whether there was one."""
        leader = self.leader
        if leader is not None:
            processes.end(leader)
        self._note.unlink(missing_ok=True)
        return leader is not None

    def await_dag(self, airflow: Airflow, dag: str) -> None:
        """Wait until the DAG file is read, or raise with what keeps it from being read."""

        def known() -> bool:
            if errors := airflow.import_errors():
                raise RuntimeError(f"a DAG file below {self.dags} cannot be read:\n" + "\n".join(errors))
            return any(one["dag_id"] == dag for one in airflow.call("GET", "dags", limit=100)["dags"])

        self._wait(f"DAG {dag!r}", known)

    def run_folder(self, dag: str, run: str) -> Path:
        """Where the steps of a run of a DAG leave what they did."""
        return self.settings.run_folder(*named(dag, run))

    def report(self, dag: str, run: str) -> Path:
        """The report of a run of a DAG."""
        return self.settings.report_file(*named(dag, run))

    def password_file(self) -> Path:
        """Where the password of user `admin` is: made once, readable by the owner alone."""
        fresh = json.dumps({"admin": secrets.token_urlsafe(12)})
        return self._secret("simple_auth_manager_passwords.json.generated", fresh)

    def password(self) -> SecretStr:
        """The password of user `admin`."""
        return SecretStr(json.loads(self.password_file().read_text())["admin"])

    def environment(self, url: str, port: int) -> dict[str, str]:
        """What Airflow and, through it, every step starts with."""
        options = {
            "API__HOST": self.settings.airflow_host,
            "API__PORT": str(port),
            "API__BASE_URL": url,
            "API_AUTH__JWT_SECRET_CMD": f"cat {shlex.quote(str(self._secret('jwt', secrets.token_urlsafe(64))))}",
            "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__PLUGINS_FOLDER": str(REPOSITORY / "infra" / "airflow" / "plugins"),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "4",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",  # what a killed scheduler ran is run again after a minute
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            # A task that is begun while the API server starts, or starts again, waits for it: else it costs the task a try.
            "WORKERS__EXECUTION_API_RETRIES": "20",
            "WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "10",
        }
        spark = {"conn_type": "spark", "host": self.settings.spark_master, "extra": {"spark-binary": "spark-submit"}}
        landing = {"conn_type": "fs", "extra": {"path": self.settings.landing}}
        return {
            **os.environ,
            **configure(self.settings),
            **self.settings.environment(),
            **{f"AIRFLOW__{name}": value for name, value in options.items()},
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(spark),
            "AIRFLOW_CONN_LANDING": json.dumps(landing),
        }

    @property
    def _note(self) -> Path:
        return self.home / "service.json"

    def _secret(self, name: str, fresh: str) -> Path:
        """A file that only its owner reads, made with ``fresh`` content where it is not there yet."""
        file = self.home / name
        if not file.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
                opened.write(fresh)
        return file

    def _launch(self, url: str, port: int) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "infra.airflow.standalone"]
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        pid = os.posix_spawn(command[0], command, self.environment(url, port), file_actions=files, setsid=True)
        self._note.write_text(json.dumps({"pid": pid, "born": psutil.Process(pid).create_time(), "url": url}))

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience_s
        while not ready():
            if self.leader is None or time.monotonic() > deadline:
                how = "ended" if self.leader is None else f"was not ready within {self.patience_s:.0f} s"
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
                raise RuntimeError(f"waiting for {what}: Airflow {how}; the end of {self.log}:\n{tail}")
            time.sleep(0.5)


def _healthy(airflow: Airflow) -> bool:
    try:
        health = airflow.health()
    except httpx.HTTPError:
        return False  # it is still starting; the caller has the deadline
    return all(health.get(part) == "healthy" for part in COMPONENTS)


@contextmanager
def free_port(host: str) -> Iterator[int]:
    """A port that is free, and no other's choice while the block runs; 8080 where it is, since people look there first."""
    for wanted in (8080, 0):
        with socket.socket() as candidate, socket.socket(socket.AF_UNIX) as claim:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((host, wanted))
                port = int(candidate.getsockname()[1])
                claim.bind(f"\0emberline port {port}")  # Airflow listens many seconds after its port is chosen
            except OSError:
                continue
            candidate.close()
            yield port
            return
    raise RuntimeError(f"no free port on {host}")
