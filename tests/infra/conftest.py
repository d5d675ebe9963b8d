"""What infra meets outside: an Airflow that does not answer."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def silent_airflow(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose note names an Airflow that lives, at an address where nobody answers."""
    (tmp_path / "airflow").mkdir()
    (tmp_path / "landing" / "fraud" / "ds=2013-09-01").mkdir(parents=True)
    with socket.socket() as held, subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        born = psutil.Process(process.pid).create_time()
        (tmp_path / "airflow" / "service.json").write_text(json.dumps({"pid": process.pid, "born": born, "url": url}))
        yield tmp_path
        process.kill()
