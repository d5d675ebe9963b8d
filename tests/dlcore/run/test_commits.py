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
from dlcore.run.commits import Commit, CommitError, Commits, Saved
from dlcore.run.journal import LostRun
from dlcore.step.state import Figures, Since, capture, restore
from dlcore.step.triggers import Validation
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


FOUND = (Validation(step=2, loss=0.25, metrics={"accuracy": 0.5}),)


def saved_at(commits: Commits, step: int) -> Saved:
    model, optimizer = trained(partial(SGD, momentum=0.9), 1)
    written = commits.write(capture(model, optimizer, model.state_dict()), step=step, name="g")
    return Saved(
        figures=Figures(
            place=Place(step=step),
            records=1,
            validations=FOUND,
            seconds=7.5,
            since=Since(loss=1.5, rows=3, seconds=0.5),
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
    lambda path: Folder("run", SubTreeFileSystem(str(path), LocalFileSystem()), single_writer=True),
]


def sealed(commits: Commits, *steps: int, after: Commit | None = None) -> list[Commit]:
    """Commits of these steps, one after the other."""
    found = [after] if after else []
    for step in steps:
        found.append(
            commits.seal(
                saved_at(commits, step), after=found[-1] if found else None, settings={"batch": "3"}, history=HISTORY
            )
        )
    return found


HISTORY = (Progress(step=10, epoch=1, loss=0.5, lr=0.1, rows_per_s=1.0, seconds=1.0),)


def steps(commits: Commits) -> list[str]:
    """What is there of slices, by the driver's fence and the step."""
    fences = [name for name in commits.folder.names() if name.isdigit()]
    return [f"{int(fence)}/{int(step)}" for fence in fences for step in (commits.folder / fence).names()]


@pytest.mark.parametrize("kind", FOLDERS, ids=["a path", "a URI", "another file system"])
def test_the_newest_sealed_commit_counts(kind: Callable[[Path], Folder], tmp_path: Path) -> None:
    commits = Commits(kind(tmp_path), keep=2)
    assert commits.latest() is None
    assert commits.sound() == []
    commits = commits.claimed()
    made = sealed(commits, 10, 20, 30)
    saved_at(commits, 40)
    assert commits.latest() == made[-1]
    assert (made[-1].step, made[-1].settings, made[-1].history) == (30, {"batch": "3"}, HISTORY)
    assert commits.sound() == made
    assert commits.drop(made, keep=2) == made[1:]
    assert steps(commits) == ["1/20", "1/30", "1/40"]
    assert commits.journal.numbers() == [1, 3, 4]


def test_leftovers_up_to_the_newest_go_and_a_group_under_way_stays(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)), keep=1).claimed()
    for step in (30, 45, 60, 70):
        saved_at(commits, step)
    made = sealed(commits, 40, 50)
    commits.drop(made, keep=2)
    assert steps(commits) == ["1/40", "1/50", "1/60", "1/70"]
    commits.drop(made, keep=1)
    assert steps(commits) == ["1/50", "1/60", "1/70"]


def test_a_zombie_and_the_driver_that_took_over_harm_each_other_in_nothing(tmp_path: Path) -> None:
    zombie = Commits(Folder(str(tmp_path))).claimed()
    begun = sealed(zombie, 10, 20)
    retry = Commits(Folder(str(tmp_path))).claimed()
    found = retry.sound()
    assert found == begun
    late = saved_at(zombie, 30)
    early = saved_at(retry, 30)
    assert late.slices[0].file != early.slices[0].file
    with pytest.raises(LostRun, match="was taken over by process"):
        zombie.seal(late, after=begun[-1], settings={}, history=())
    zombie.drop(begun, keep=2)
    made = [*found, retry.seal(early, after=found[-1], settings={}, history=())]
    assert len(list(retry.load(made[-1].saved))) == 1
    made = retry.drop([*made, *sealed(retry, 40, after=made[-1])[1:]], keep=2)
    assert steps(retry) == ["4/30", "4/40"]
    saved_at(zombie, 50)
    with pytest.raises(LostRun):
        zombie.seal(late, after=begun[-1], settings={}, history=())
    assert retry.latest() == made[-1]


def test_a_newest_commit_that_is_damaged_is_passed_over_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commits = Commits(Folder(str(tmp_path))).claimed()
    made = sealed(commits, 10, 20, 30, 40)
    spoil(tmp_path / made[3].saved.slices[0].file)
    (tmp_path / made[2].saved.slices[0].file).unlink()
    entry = tmp_path / "000000003.json"
    entry.write_text(entry.read_text()[:-20])
    assert commits.claimed().sound() == made[:1]
    assert [line for line in caplog.messages if "is passed over: " in line and "is corrupt" in line]
    assert len(caplog.messages) == 3
    assert commits.latest() == made[0]


def test_where_all_are_damaged_nothing_is_removed_or_begun_anew(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path))).claimed()
    [made] = sealed(commits, 10)
    spoil(tmp_path / made.saved.slices[0].file)
    with pytest.raises(CommitError, match=r"no commit of .* is whole; .*is corrupt.*to begin anew"):
        commits.sound()
    assert commits.latest() == made


def spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("name", ["../{}", "/tmp/{}", "a/../../{}", "index.json"])
def test_a_slice_that_would_be_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    saved = asdict(saved_at(Commits(Folder(str(tmp_path))), 10))
    saved["slices"][0]["file"] = name.format(saved["slices"][0]["file"])
    with pytest.raises(ValueError, match="the file of a slice must"):
        Saved.of(saved)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path))).claimed()
    sealed(commits, 10)
    entry = tmp_path / "000000002.json"
    entry.write_text(entry.read_text().replace('"format": 6', '"format": 9'))
    with pytest.raises(CommitError, match="have format 9, this version reads 6"):
        commits.latest()
    (tmp_path / "old" / "000000120").mkdir(parents=True)
    (tmp_path / "old" / "000000120" / "manifest.json").touch()
    with pytest.raises(CommitError, match="have format 4 or less, this version reads 6"):
        Commits(Folder(f"{tmp_path}/old")).latest()
