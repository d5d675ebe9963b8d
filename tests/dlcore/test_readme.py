"""The README: its program runs as it stands there, and its reference tables name what the code has."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

import dlcore
from dlcore import Artifact, Fitted, Progress, Training
from dlcore.optim import decays, schedules

ROOT = Path(__file__).parents[2]
README = (ROOT / "dlcore" / "README.md").read_text()
LOOPBACK = "spark.driver.host 127.0.0.1\nspark.driver.bindAddress 127.0.0.1\nspark.ui.enabled false\n"


def program(text: str, *, of: str = "SparkSession") -> str:
    """The first block of Python that has this in it."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return next(block for block in blocks if of in block)


def test_the_program_runs_from_the_session_to_scored_rows(tmp_path: Path) -> None:
    assert program((ROOT / "README.md").read_text()) == program(README)
    (tmp_path / "program.py").write_text(program(README))
    (tmp_path / "spark-defaults.conf").write_text(LOOPBACK)
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"}
    environment |= {"PYTHONPATH": str(ROOT), "SPARK_CONF_DIR": str(tmp_path)}
    run = [sys.executable, "program.py"]
    ran = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "epoch 10, step 490: loss 0." in ran.stdout
    scored = pq.read_table(tmp_path / "scored")
    assert scored.column_names[-3:] == ["fraud", "probability", "error"]
    assert (scored.num_rows, scored["error"].null_count) == (50_000, 50_000)
    right = (scored["probability"].to_numpy() > 0.5) == (scored["fraud"].to_numpy() == 1)
    assert right.mean() > 0.95


def test_the_program_of_several_outputs_runs() -> None:
    torch.manual_seed(3)
    made: dict[str, Any] = {}
    exec(compile(program(README, of="name_outputs"), "several outputs", "exec"), made)
    figures, scored = made["fitted"].history[-1].metrics, made["scored"]
    assert figures["accuracy"] > 0.95
    assert figures["mae"] < 0.2
    assert figures["kind_loss"] < 0.2
    assert ((scored["found"] == scored["kind"]).mean(), scored["error"].count()) == (figures["accuracy"], 0)
    assert [len(odds) for odds in scored["odds"]] == [2] * 2000


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its first."""
    section = README.split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    told = [[cell.strip() for cell in row] for row in rows]
    assert len({row[0] for row in told}) == len(told), "each name once"
    return told


def names(heading: str) -> list[str]:
    return [name for row in table(heading) for name in re.findall(r"`(\w+)`", row[0])]


def test_each_field_of_training_is_told_with_its_default() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in table("Training")}
    assert told == {each.name: "" if each.default is MISSING else repr(each.default) for each in fields(Training)}


def test_arguments_records_and_schedules_are_told() -> None:
    assert [row[0].strip("`") for row in table("fit")] == [*inspect.signature(Training.fit).parameters][1:]
    assert names("Progress") == [each.name for each in fields(Progress)]
    own = {
        name
        for module in (schedules, decays)
        for name, each in vars(module).items()
        if inspect.isclass(each) and each.__module__ == module.__name__ and "__call__" in vars(each)
    }
    assert set(names("Schedules")) == own & set(dlcore.__all__)


def test_what_fitted_and_artifacts_can_do_is_told() -> None:
    for kind in (Fitted, Artifact):
        public = {name for name in [*vars(kind), *(each.name for each in fields(kind))] if not name.startswith("_")}
        assert set(names(kind.__name__)) == public


def test_every_public_name_is_told() -> None:
    assert {*names("Beside these"), *names("Schedules")} == set(dlcore.__all__)
