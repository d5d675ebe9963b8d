import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra import check
from infra.__main__ import up
from infra.airflow.client import Airflow
from infra.airflow.demo import Demo
from infra.airflow.service import Service, free_port
from infra.settings import load


def test_two_starts_at_once_choose_two_ports() -> None:
    with free_port("127.0.0.1") as one, free_port("127.0.0.1") as other:
        assert one != other


def test_an_airflow_whose_first_process_has_ended_is_said_to_be_in_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it started lives on, and nobody starts again what of it dies."""
    service = Service(settings=load([f"state={tmp_path}"]))
    first = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with subprocess.Popen([sys.executable, "-c", first], start_new_session=True) as leader:
        born = psutil.Process(leader.pid).create_time()
    for folder in (service.home, tmp_path / "landing" / "fraud" / "ds=2013-09-01"):
        folder.mkdir(parents=True)
    (service.home / "service.json").write_text(
        json.dumps({"pid": leader.pid, "born": born, "url": "http://127.0.0.1:1"})
    )
    try:
        assert not up(service)
        assert "its first process has ended" in capsys.readouterr().out
        good, sentence = check.airflow(service.settings)
        assert not good and "its first process has ended" in sentence
        with pytest.raises(RuntimeError, match="its first process has ended"):
            Demo(service=service, app="fraud", conf={}).perform()
    finally:
        service.stop()


def test_the_password_is_shown_by_nothing_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    service = Service(settings=load([f"state={tmp_path}"]))
    secret = service.password().get_secret_value()
    assert len(secret) > 10 and service.password_file().stat().st_mode & 0o777 == 0o600
    client = Airflow(url="http://127.0.0.1:1", password=service.password())
    assert secret not in f"{service} {client} {service.password()} {service.environment(client.url, 1)}"
    assert secret not in Demo(service=service, app="fraud", conf={}).login
