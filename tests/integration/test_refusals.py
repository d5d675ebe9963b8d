"""One schema rules the REST call and the command line; the form is tried in tests/browser."""

import subprocess
import sys

import pytest

from infra.airflow.client import Refused
from infra.airflow.service import REPOSITORY
from tests.services import APP, TRAINING, Stand

REFUSED = {
    "members": (0, "Invalid input for param members: 0 is less than the minimum of 1"),
    "model": ("tree", "Invalid input for param model: 'tree' is not one of ['mlp', 'cnn', 'mixed']"),
    "first_date": ("yesterday", "Invalid input for param first_date: 'yesterday' is not a 'date'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_value_is_refused_alike_by_rest_and_command_line(stand: Stand, name: str) -> None:
    value, sentence = REFUSED[name]
    with pytest.raises(Refused, match=r"HTTP 400") as refused:
        stand.airflow.trigger(TRAINING, {name: value})
    assert sentence in str(refused.value)
    command = [sys.executable, "-m", "apps", APP, "pin", f"--{name.replace('_', '-')}", str(value)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert ended.stderr.strip() == sentence
