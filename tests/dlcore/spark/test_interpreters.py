"""The executors' Python: one that cannot do the work is told in a sentence before anything is written."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlcore.spark.interpreters import CHECKED, NEEDED, differing, looking, refuse_other_python

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pyspark.sql import SparkSession
from torch import nn
from torch.optim import SGD
from dlcore import Constant, Training
builder = SparkSession.builder.master("local[2]")
for name, value in {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
recipe = {"model": lambda: nn.Linear(1, 1), "loss": nn.functional.mse_loss, "optimizer": SGD, "schedule": Constant(lr=0.1)}
frame = spark.range(10).selectExpr("cast(id as float) x", "cast(id as float) y")
try:
    Training(**recipe, batch=2, epochs=1).fit(frame, features=["x"], label="y", workers=2, folder=sys.argv[1])
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("bare", [True, False])
def test_a_python_that_lacks_something_or_is_not_there_is_told_before_data_is_written(
    tmp_path: Path, bare: bool
) -> None:
    python = tmp_path / "bare" / "bin" / "python"
    if bare:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    environment = os.environ | {"PYSPARK_PYTHON": str(python), "PYTHONPATH": ""}
    run = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}", str(tmp_path / "run")]
    ran = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert f"the executors' Python, {python}" in ran.stdout, ran.stderr
    assert (
        "lacks numpy, pandas, pyarrow, safetensors, tenacity, torch, dlcore." if bare else "cannot begin: "
    ) in ran.stdout
    assert (
        f"Set PYSPARK_PYTHON, before the session is made, to a Python that has on every host what the driver's has, {sys.executable}"
        in ran.stdout
    )
    assert not (tmp_path / "run").exists()


def test_a_session_is_looked_at_once_and_takes_no_time_then(spark: SparkSession) -> None:
    refuse_other_python(spark, limit_s=60)
    CHECKED.keys.clear()
    before = time.perf_counter()
    refuse_other_python(spark, limit_s=60)
    warm = time.perf_counter() - before
    refuse_other_python(spark, limit_s=60)
    assert time.perf_counter() - before - warm < 0.1
    assert warm < 2, "0.2 s on a machine with nothing else to do"


def test_other_versions_are_told_by_name() -> None:
    own = json.loads(looking(NEEDED)(0))
    assert differing(own, own) == ""
    assert differing(own | {"torch": "1.0"}, own) == f"has torch 1.0 and not {own['torch']}"
    assert differing(own | {"torch": None, "pyarrow": None}, own) == "lacks pyarrow, torch"
