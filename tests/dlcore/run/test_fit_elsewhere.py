"""A run on HDFS and on S3 is that of this machine, bit for bit: data, commits, stop and resume, a kill in mid-commit, a second driver."""

import logging
import random
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import torch

from dlcore import Artifact, Fitted, Folder, Progress
from dlcore.run.journal import LostRun
from tests.dlcore.run.far import fit, network
from tests.dlcore.storage.unsteady import unsteady

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def parquet(tumours: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("rows") / "rows.parquet"
    tumours.to_parquet(file, index=False)
    return str(file)


@pytest.fixture(scope="session")
def here(parquet: str) -> Fitted:
    return fit(parquet, None)


@pytest.fixture(params=["local", "hdfs", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "run")
    server: str = request.getfixturevalue(request.param)
    return server.format(tmp_path.name) if request.param == "s3" else f"hdfs://{server}/{tmp_path.name}"


def same(one: Fitted, other: Fitted) -> bool:
    pairs = zip(one.module.parameters(), other.module.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_is_stopped_and_gone_on_from(
    uri: str, parquet: str, here: Fitted, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        first = fit(parquet, uri, on_progress=lambda record: record.epoch == 2)
        rest = fit(parquet, Folder.of(uri))
    assert not same(first, here)
    assert same(rest, here)
    assert f"in {Folder.of(uri).where}/commits" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("seed", [date.today().toordinal()])
def test_a_run_that_is_killed_in_mid_commit_is_gone_on_from(uri: str, parquet: str, here: Fitted, seed: int) -> None:
    """Its groups are one step long, so that it commits most of the time; at other moments each day, the test's name tells which."""
    threads = f"import torch; torch.set_num_threads({torch.get_num_threads()})"  # the bits are those of as many
    program = f"{threads}; from tests.dlcore.run.far import tell; tell({parquet!r}, {uri!r})"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(committed(line) >= 5 for line in process.stdout)
        time.sleep(random.Random(seed).uniform(0, 0.2))
        process.kill()
    begun = (Folder.of(uri) / "commits").names()
    assert begun
    assert same(fit(parquet, uri), here)


def committed(line: str) -> int:
    """The step of a commit that the log tells of; a group is of one step or two."""
    return int(line.split()[2].rstrip(":,")) if line.startswith("committed step ") else 0


def test_a_driver_that_another_has_taken_the_run_from_says_so_and_harms_it_in_nothing(
    uri: str, parquet: str, here: Fitted
) -> None:
    """A zombie goes on training while its retry comes, ends and leaves."""
    retried: list[Fitted] = []

    def retry(record: Progress) -> None:
        if record.epoch == 2 and not retried:
            retried.append(fit(parquet, uri))

    with pytest.raises(LostRun, match="was taken over by process"):
        fit(parquet, uri, on_progress=retry)
    assert same(retried[0], here)
    assert same(fit(parquet, uri), here)


def test_storage_that_fails_now_and_then_changes_nothing(parquet: str, here: Fitted, tmp_path: Path) -> None:
    system, _ = unsteady(1)
    assert same(fit(parquet, Folder(str(tmp_path), system, single_writer=True)), here)


def test_an_artifact_is_kept_there(uri: str, here: Fitted) -> None:
    outputs = {"probability": torch.sigmoid}
    exported = here.export(uri, outputs=outputs)
    assert Artifact.load(uri, models={"model": network}, outputs=outputs).id == exported.id
