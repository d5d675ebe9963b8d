"""Applications that a test makes in the repository with ``apps new``, and that are gone again however it ends."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.__main__ import APPS, main
from apps.new.command import REPOSITORY
from pipelines.runner.run import Stage
from tests.dags.test_dags import READ


@contextmanager
def made(app: str, *options: str) -> Iterator[None]:
    """The application that the command makes with these options."""
    remove(app)
    try:
        main(["new", app, *options])
        yield
    finally:
        remove(app)


def of_the_app(app: str) -> list[str]:
    """Every file that is there of an app."""
    folders = [REPOSITORY / "apps" / app, REPOSITORY / "tests" / "apps" / app]
    found = [
        file for folder in folders for file in folder.rglob("*") if "__pycache__" not in file.parts and file.is_file()
    ]
    return sorted(str(file.relative_to(REPOSITORY)) for file in [*found, *(REPOSITORY / "dags").glob(f"{app}_*.py")])


def remove(app: str) -> None:
    for file in of_the_app(app):
        (REPOSITORY / file).unlink()
    for folder in (REPOSITORY / "apps" / app, REPOSITORY / "tests" / "apps" / app):
        shutil.rmtree(folder, ignore_errors=True)


def stages(app: str) -> Mapping[str, Stage]:
    """The steps of its recipe."""
    found: Mapping[str, Stage] = importlib.import_module(f"apps.{app}.recipe").STEPS
    return found


def dag(app: str, kind: str, home: Path) -> dict[str, Any]:
    """One of its DAGs as Airflow reads it, in a process of its own with its home in a folder."""
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", READ, str(REPOSITORY / "dags" / f"{app}_{kind}.py")]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    return {**read["dags"][f"{app}_{kind}"], "ours": read["ours"]}


def lint(files: Sequence[str]) -> None:
    for tool in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *tool, *files], cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def refused(argv: list[str], sentence: str) -> None:
    """The command ends with this sentence, and makes no app of the name ``free``."""
    with pytest.raises(SystemExit, match=sentence):
        main(argv)
    assert not (APPS / "free").exists()
