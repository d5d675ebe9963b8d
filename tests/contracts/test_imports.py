"""What import-linter cannot see: DAG files stand alone, and set-up runs before anything is installed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DAGS = sorted((REPOSITORY / "dags").glob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield node.module or ""


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_a_dag_file_imports_airflow_and_the_standard_library_alone(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(file)}
    assert roots - sys.stdlib_module_names == {"airflow"}


def test_set_up_and_cleaning_need_the_standard_library_alone() -> None:
    script = "import sys; sys.path.insert(0, '.'); import infra.bootstrap, infra.clean"
    imported = subprocess.run([sys.executable, "-I", "-S", "-c", script], cwd=REPOSITORY, check=False)
    assert imported.returncode == 0
