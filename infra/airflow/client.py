"""A client of Airflow's REST interface: runs, tasks, pools and logs of a running Airflow."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

Json = dict[str, Any]


class Refused(RuntimeError):
    """Airflow answered a request with an error; the message is Airflow's own."""


@dataclass(frozen=True, kw_only=True)
class Airflow:
    """One Airflow by its address and login; each call is one request, after a login."""

    url: str
    user: str = "admin"
    password: SecretStr
    timeout_s: float = 60.0

    def health(self) -> dict[str, str | None]:
        """Say the status of each component; needs no login."""
        answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=self.timeout_s)
        answer.raise_for_status()
        return {name: part["status"] for name, part in answer.json().items()}

    @cached_property
    def token(self) -> SecretStr:
        """The login's proof, asked for once."""
        answer = httpx.post(
            f"{self.url}/auth/token",
            json={"username": self.user, "password": self.password.get_secret_value()},
            timeout=self.timeout_s,
        )
        if answer.is_error:
            raise Refused(f"Airflow at {self.url} refused the login of {self.user}: {answer.text}")
        return SecretStr(answer.json()["access_token"])

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # reads all certificates: once, not in each request

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """Send one request below ``/api/v2``, or raise ``Refused`` with what Airflow said."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v2/{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {self.token.get_secret_value()}"},
            timeout=self.timeout_s,
            verify=self._tls,
        )
        if answer.is_error:
            raise Refused(f"{method} {path}: {_detail(answer)} (HTTP {answer.status_code})")
        return dict(answer.json()) if answer.content else {}

    def pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool, or set its slots where it exists."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        existing = {pool["name"] for pool in self.call("GET", "pools", limit=100)["pools"]}
        if name in existing:
            self.call("PATCH", f"pools/{name}", body)
        else:
            self.call("POST", "pools", body)

    def pause(self, dag: str, *, paused: bool) -> None:
        self.call("PATCH", f"dags/{dag}", {"is_paused": paused})

    def trigger(self, dag: str, conf: Mapping[str, Any], *, partition: str | None = None) -> str:
        """Start a run by hand and return its id; a value outside the DAG's schema is refused."""
        body = {"logical_date": None, "conf": dict(conf), "partition_key": partition}
        return str(self.call("POST", f"dags/{dag}/dagRuns", body)["dag_run_id"])

    def backfill(self, dag: str, *, first: str, last: str) -> list[str]:
        """Make the runs of each day from ``first`` to ``last``, one after the other, and return their ids by day."""
        body = {"dag_id": dag, "from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
        known = {run["dag_run_id"] for run in self.runs(dag)}
        self.call("POST", "backfills", body | {"max_active_runs": 1, "reprocess_behavior": "completed"})
        made = [run for run in self.runs(dag) if run["dag_run_id"] not in known]
        return [run["dag_run_id"] for run in sorted(made, key=lambda run: run["partition_key"])]

    def runs(self, dag: str) -> list[Json]:
        """The runs of ``dag``, newest first."""
        return list(self.call("GET", f"dags/{dag}/dagRuns", limit=100, order_by="-run_after")["dag_runs"])

    def run(self, dag: str, run: str) -> Json:
        return self.call("GET", _run(dag, run))

    def end(self, dag: str, run: str) -> None:
        """Mark a run failed, which ends its running tasks."""
        self.call("PATCH", _run(dag, run), {"state": "failed"})

    def tasks(self, dag: str, run: str) -> list[Json]:
        """Every task instance of a run."""
        found: list[Json] = []
        while True:
            page = self.call("GET", f"{_run(dag, run)}/taskInstances", limit=100, offset=len(found))
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def mark(self, dag: str, run: str, task: str, state: str, *, index: int = -1) -> None:
        """Set the state of one task instance, which ends it where it runs."""
        place = f"{_run(dag, run)}/taskInstances/{task}" + (f"/{index}" if index >= 0 else "")
        self.call("PATCH", place, {"new_state": state})

    def clear(self, dag: str, run: str, task: str, *, index: int | None = None) -> None:
        """Make one task run again, and nothing else."""
        body = {"dry_run": False, "dag_run_id": run, "only_failed": False, "reset_dag_runs": True}
        self.call(
            "POST", f"dags/{dag}/clearTaskInstances", body | {"task_ids": [task if index is None else [task, index]]}
        )

    def answer(self, dag: str, run: str, task: str, option: str) -> None:
        """Answer a task that waits for a person."""
        self.call("PATCH", f"{_run(dag, run)}/taskInstances/{task}/-1/hitlDetails", {"chosen_options": [option]})

    def log(self, dag: str, run: str, task: str, attempt: int, *, index: int = -1) -> list[str]:
        """The lines of one attempt's log."""
        answer = self.call(
            "GET", f"{_run(dag, run)}/taskInstances/{task}/logs/{attempt}", map_index=index, full_content=True
        )
        return [line if isinstance(line, str) else str(line.get("event", "")) for line in answer["content"]]

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being read, one text a file."""
        return [error["stack_trace"] for error in self.call("GET", "importErrors", limit=100)["import_errors"]]


def _run(dag: str, run: str) -> str:
    return f"dags/{dag}/dagRuns/{quote(run, safe='')}"


def _detail(answer: httpx.Response) -> str:
    """What Airflow said in its first line, without the JSON around it and the schema below it."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text
    return detail.splitlines()[0] if isinstance(detail, str) and detail else str(detail)
