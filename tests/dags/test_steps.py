"""A submitted step by itself, with a `spark-submit` that ends as it is told: what is tried again, what is said, and to whom."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_string, policy
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from infra.airflow.service import REPOSITORY
from pipelines.runner.perform import FAULT, REFUSED

PERFORM = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import steps
app = steps.App("fraud")
ends = {}
for name, end in json.loads(sys.argv[2]).items():
    os.environ["SAYS"], os.environ["ENDS"] = end["says"], str(end["ends"])
    deploy = {"deploy-mode": end.get("mode", "client"), "spark-binary": "spark-submit"}
    os.environ["AIRFLOW_CONN_SPARK_DEFAULT"] = json.dumps(
        {"conn_type": "spark", "host": end.get("master", "local[1]"), "extra": deploy}
    )
    with app.daily("") as dag:
        step = app.on_day("ingest")
    step.application_args, step.env_vars = ["--by", "by hand"], {"EMBERLINE_RUN": name}
    os.environ.pop("EMBERLINE_SUBMITTER", None)
    os.environ.pop("EMBERLINE_RUN", None)
    try:
        step.execute({})
        ends[name] = ["", ""]
    except Exception as error:
        ends[name] = [type(error).__name__, str(error)]
    ends[name].append(open("told").read().strip() == f"{os.getpid()} {name}")
(letter,) = dag.on_failure_callback if isinstance(dag.on_failure_callback, list) else [dag.on_failure_callback]
letter({"dag": dag, "run_id": "by hand <1>", "reason": "task_failure"})
print(json.dumps(ends))
"""
SUBMIT = """#!/bin/sh
echo "$SAYS"
echo "$EMBERLINE_SUBMITTER $EMBERLINE_RUN" > told
case "$ENDS" in kill) kill -9 $$;; *) exit "$ENDS";; esac
"""
YARN = "Exception in thread main: Application application_1_2 finished with failed status; User application exited with status"
KUBERNETES = "k8s://https://kubernetes.default.svc:443"
ENDS: dict[str, dict[str, Any]] = {
    "success": {"says": "done", "ends": 0},
    "refusal": {"says": "ingest@2013-09-01 refused: landing file a.csv is empty", "ends": REFUSED},
    "fault": {"says": "an exception", "ends": FAULT},
    "kill": {"says": "at work", "ends": "kill"},
    "driver killed": {"says": "at work", "ends": 137},
    "cluster's refusal": {"says": f"{YARN} {REFUSED}", "ends": 1, "mode": "cluster", "master": "yarn"},
    "cluster's fault": {"says": f"{YARN} 1", "ends": 1, "mode": "cluster", "master": "yarn"},
    "pod's success": {"says": "done", "ends": 0, "master": KUBERNETES},
    "pod's refusal": {"says": "ingest@2013-09-01 refused: no rows", "ends": REFUSED, "master": KUBERNETES},
    "driver pod's refusal": {"says": f"exit code: {REFUSED}", "ends": 1, "mode": "cluster", "master": KUBERNETES},
}


class Sink(StreamRequestHandler):
    """Takes one letter by SMTP into its server's ``letters``."""

    def handle(self) -> None:
        self.answer("220 here")
        while line := self.rfile.readline().decode().strip():
            if line.upper() == "DATA":
                self.answer("354 go on")
                letter = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                self.server.letters.append("".join(letter))  # type: ignore[attr-defined]
            self.answer("250 well")

    def answer(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture(scope="module")
def sink() -> Iterator[ThreadingTCPServer]:
    with ThreadingTCPServer(("127.0.0.1", 0), Sink) as server:
        server.letters = []  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, sink: ThreadingTCPServer) -> dict[str, tuple[str, str, bool]]:
    """How each submission ended: the error's class and text, and whether spark-submit was told who submits it, and the run."""
    home = tmp_path_factory.mktemp("steps")
    submit = home / "spark-submit"
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@localhost", "retry_limit": 0}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": sink.server_address[1], "extra": extra}
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp),
        "EMBERLINE_MAIL_TO": "operator@localhost",
        "PATH": f"{home}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-c", PERFORM, str(REPOSITORY / "dags"), json.dumps(ENDS)]
    said = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return {name: tuple(end) for name, end in json.loads(said.stdout.splitlines()[-1]).items()}


def test_a_refusal_is_not_tried_again_and_says_its_sentence(ended: dict[str, tuple[str, str, bool]]) -> None:
    assert ended["success"][0] == ""
    assert ended["refusal"][:2] == ("AirflowFailException", "refused: landing file a.csv is empty")


def test_a_fault_is_tried_again(ended: dict[str, tuple[str, str, bool]]) -> None:
    assert ended["fault"][0] == ended["cluster's fault"][0] == "AirflowException"


def test_a_cluster_says_a_refusal_in_its_own_words(ended: dict[str, tuple[str, str, bool]]) -> None:
    for name in ("cluster's refusal", "driver pod's refusal"):
        assert ended[name][:2] == ("AirflowFailException", "refused: its log says why")


def test_a_step_whose_driver_is_in_its_tasks_pod_ends_as_elsewhere(ended: dict[str, tuple[str, str, bool]]) -> None:
    assert ended["pod's success"][0] == ""
    assert ended["pod's refusal"][:2] == ("AirflowFailException", "refused: no rows")


def test_a_killed_step_says_so_and_is_tried_again(ended: dict[str, tuple[str, str, bool]]) -> None:
    for name in ("kill", "driver killed"):
        kind, says, _ = ended[name]
        assert (kind, says.split(":")[0]) == ("AirflowException", "the step was killed by signal 9")


def test_a_step_knows_its_run_and_who_submits_it_where_it_runs_on_that_host(
    ended: dict[str, tuple[str, str, bool]],
) -> None:
    assert {name: knows for name, (*_, knows) in ended.items()} == {
        name: end.get("mode") != "cluster" for name, end in ENDS.items()
    }


def test_a_failed_run_sends_a_letter(ended: dict[str, tuple[str, str, bool]], sink: ThreadingTCPServer) -> None:
    (letter,) = sink.letters  # type: ignore[attr-defined]
    told = message_from_string(letter, policy=policy.default)
    assert (told["To"], told["Subject"]) == ("operator@localhost", "fraud_daily failed: by hand <1>")
    (text,) = [part.get_content() for part in told.walk() if part.get_content_type() == "text/html"]
    assert "Run by hand &lt;1&gt; of fraud_daily has failed: task_failure" in text
