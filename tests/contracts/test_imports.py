"""What import-linter cannot see: DAG files stand alone, set-up runs before anything is installed, dlcore by its own extra."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
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
    assert roots - sys.stdlib_module_names - {"steps"} <= {"airflow"}


def test_set_up_and_cleaning_need_the_standard_library_alone() -> None:
    script = "import sys; sys.path.insert(0, '.'); import infra.setup.bootstrap, infra.setup.clean"
    imported = subprocess.run([sys.executable, "-I", "-S", "-c", script], cwd=REPOSITORY, check=False)
    assert imported.returncode == 0


APPS = [app.name for app in sorted((REPOSITORY / "apps").glob("[a-z]*")) if (app / "recipe.py").exists()]


@pytest.mark.parametrize("layer", ["pipelines", "features", "infra", "dlcore"])
def test_what_apps_share_speaks_of_none_of_them(layer: str) -> None:
    """Not in a name, nor in a default; an example in a sentence or a command may name one."""
    for file in (REPOSITORY / layer).rglob("*.py"):
        told = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not told & {*APPS, "amount", "time_s", "is_fraud"}, file


def test_what_brings_an_apps_data_needs_the_standard_library_alone() -> None:
    files = sorted((REPOSITORY / "apps").glob("*/data.py"))
    assert files
    for file in files:
        assert {name.partition(".")[0] for name in imported(file)} <= sys.stdlib_module_names, file


def names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_the_extra_of_dlcore_is_what_it_imports_and_what_spark_needs_to_run_python_on_arrow() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    kinds = ("hdfs", "keras", "mlflow", "s3", "tensorboard")
    own = {name.removesuffix("-skinny").replace("-", "_") for kind in kinds for name in names(extras[kind])}
    own -= {"alembic", "sqlalchemy"}  # which MLflow's database in a file needs
    files = [file for file in (REPOSITORY / "dlcore").rglob("*.py") if not {"zoo", "openvino"} & {*file.parts}]
    roots = {name.partition(".")[0] for file in files for name in imported(file)}
    of_spark = requires("pyspark") or []
    in_any_case = names(each for each in of_spark if "extra ==" not in each)
    for_sql = names(each for each in of_spark if each.endswith('extra == "sql"'))
    assert own - {"emberline"} <= roots
    of_others = own | in_any_case | {"dlcore", "_typeshed"}  # which is there for type checkers alone
    assert names(extras["dlcore"]) == (roots - sys.stdlib_module_names - of_others) | for_sql


def test_the_extra_of_the_zoo_is_what_its_networks_import_beside_dlcores() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    roots = {
        name.partition(".")[0] for file in (REPOSITORY / "dlcore" / "zoo").rglob("*.py") for name in imported(file)
    }
    own = {"protobuf" if name == "google" else name for name in roots - sys.stdlib_module_names - {"dlcore"}}
    assert own - names(extras["dlcore"]) == names(extras["zoo"]) - {"emberline"}
