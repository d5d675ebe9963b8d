"""Commits: whole or not there, the newest kept, damage and other formats refused."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
import torch
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from dlcore import Progress
from dlcore.data.order import Place
from dlcore.parallel.parameters import slice_names, split_parameters
from dlcore.run.commits import CommitError, Commits, Saved
from dlcore.step.state import Figures, Since, capture, restore
from dlcore.storage.folder import Folder


def trained(optimizer: Callable[..., Optimizer], steps: int) -> tuple[nn.Module, Optimizer]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    running = optimizer(model.parameters(), lr=0.1)
    for _ in range(steps):
        running.zero_grad()
        model(torch.randn(8, 3)).sum().backward()
        running.step()
    return model, running


def saved_at(commits: Commits, step: int) -> Saved:
    model, optimizer = trained(partial(SGD, momentum=0.9), 1)
    written = commits.write(capture(model, optimizer, model.state_dict()), step=step, name="g")
    return Saved(
        figures=Figures(
            place=Place(step=step), records=1, validations=(0.25,), since=Since(loss=1.5, rows=3, seconds=0.5)
        ),
        slices=(written,),
    )


@pytest.mark.parametrize("workers", [1, 2, 9])
@pytest.mark.parametrize("optimizer", [partial(SGD, momentum=0.9), partial(Adam), partial(SGD)])
def test_a_state_comes_back_bit_for_bit(optimizer: Callable[..., Optimizer], workers: int, tmp_path: Path) -> None:
    model, running = trained(optimizer, 3)
    owned = split_parameters(model, workers=workers)
    commits = Commits(Folder(str(tmp_path)))
    written = tuple(
        commits.write(capture(model, running, slice_names(model, owned, rank)), step=3, name=str(rank))
        for rank in range(workers)
    )
    fresh, fresh_running = trained(optimizer, 0)
    restore(fresh, fresh_running, commits.load(Saved(figures=Figures(place=Place(step=3)), slices=written)))
    for one, two in ((model, running), (fresh, fresh_running)):
        torch.manual_seed(9)
        two.zero_grad()
        one(torch.randn(8, 3)).sum().backward()
        two.step()
    for before, after in zip(model.state_dict().values(), fresh.state_dict().values(), strict=True):
        assert torch.equal(before, after)
    with pytest.raises(ValueError, match="every weight of the model"):
        restore(fresh, fresh_running, commits.load(Saved(figures=Figures(place=Place(step=3)), slices=written[1:])))


FOLDERS: list[Callable[[Path], Folder]] = [
    lambda path: Folder(str(path)),
    lambda path: Folder.of(f"file://{path}/run"),
    lambda path: Folder("run", SubTreeFileSystem(str(path), LocalFileSystem())),
]


@pytest.mark.parametrize("kind", FOLDERS, ids=["a path", "a URI", "another file system"])
def test_the_newest_whole_commit_counts(kind: Callable[[Path], Folder], tmp_path: Path) -> None:
    commits = Commits(kind(tmp_path), keep=2)
    assert commits.latest() is None
    record = Progress(step=10, epoch=1, loss=0.5, lr=0.1, rows_per_s=1.0, seconds=1.0)
    for step in (10, 20, 30):
        commits.seal(saved_at(commits, step), settings={"batch": "3"}, history=[record])
    saved_at(commits, 40)
    latest = commits.latest()
    assert latest is not None
    assert (latest.step, latest.settings, latest.history) == (30, {"batch": "3"}, (record,))
    assert latest.saved == saved_at(commits, 30)
    assert "000000010" not in commits.folder.names()


def test_leftovers_of_lost_groups_do_not_push_the_newest_commit_out(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)), keep=1)
    for step in (50, 60, 70):
        saved_at(commits, step)
    commits.seal(saved_at(commits, 40), settings={}, history=[])
    latest = commits.latest()
    assert latest is not None
    assert latest.step == 40


def test_leftovers_count_for_none_of_those_to_keep(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)), keep=2)
    for step in (10, 40):
        commits.seal(saved_at(commits, step), settings={}, history=[])
    saved_at(commits, 45)
    commits.seal(saved_at(commits, 50), settings={}, history=[])
    assert commits.folder.names() == ["000000040", "000000050"]


def test_the_commit_that_a_group_runs_from_stays_until_the_end(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)), keep=1)
    begun = saved_at(commits, 40)
    for saved in (saved_at(commits, 30), begun, saved_at(commits, 50)):
        commits.seal(saved, settings={}, history=[])
    assert len(list(commits.load(begun))) == 1
    commits.end(50)
    assert commits.folder.names() == ["000000050"]


@pytest.mark.parametrize("name", ["../{}", "/tmp/{}", "a/../../{}", "index.json"])
def test_a_slice_that_would_be_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    saved = asdict(saved_at(Commits(Folder(str(tmp_path))), 10))
    saved["slices"][0]["file"] = name.format(saved["slices"][0]["file"])
    with pytest.raises(ValueError, match="the file of a slice must"):
        Saved.of(saved)


def test_damage_and_other_formats_are_refused(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)))
    saved = saved_at(commits, 10)
    commits.seal(saved, settings={}, history=[])
    file = tmp_path / "000000010" / saved.slices[0].file
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(CommitError, match="000000010 is corrupt"):
        list(commits.load(saved))
    manifest = tmp_path / "000000010" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 4', '"format": 9'))
    with pytest.raises(CommitError, match="has format 9, this version reads 4"):
        commits.latest()
