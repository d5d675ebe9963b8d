"""Which commits of a run stay, and which state it leads to."""

from dataclasses import replace
from pathlib import Path

import pytest

from dlcore import AtMinimum, Folder, Training, Validation
from dlcore.data.order import Place
from dlcore.run.chain import Chain, History
from dlcore.run.commits import Commit, Commits, Saved
from dlcore.run.stopping import StopRequests
from dlcore.step.state import Figures
from tests.dlcore.run.test_commits import saved_at, sealed, spoil
from tests.dlcore.run.test_fit_here import training

BEST = training(keep_best=AtMinimum())


def begun(commits: Commits, kept: list[Commit], method: Training) -> Chain:
    return Chain(commits, kept, History((), StopRequests(None, commits.folder)), method)


def judged(commits: Commits, *losses: float) -> Saved:
    """A saved state after a validation each ten steps, which found these losses."""
    found = tuple(Validation(step=10 * number, loss=loss) for number, loss in enumerate(losses, 1))
    step = found[-1].step
    return replace(saved_at(commits, step), figures=Figures(place=Place(step=step), validations=found))


def extended(chain: Chain, *losses: float) -> None:
    for number in range(1, len(losses) + 1):
        chain.extend(judged(chain.commits, *losses[:number]))


def test_the_best_stays_beside_the_newest_and_is_what_the_run_leads_to(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path)), keep=1).claimed()
    chain = begun(commits, sealed(commits, 0), BEST)
    extended(chain, 5, 3, 4, 6)
    assert [commit.step for commit in chain.kept] == [20, 30, 40]
    assert chain.end().step == 20
    assert [commit.step for commit in Commits(Folder(str(tmp_path))).sound()] == [20, 40]
    last = begun(commits, chain.kept, training())
    assert last.end().step == 40
    assert [commit.step for commit in last.kept] == [40]


def test_where_the_newest_is_damaged_the_one_before_has_its_best(tmp_path: Path) -> None:
    commits = Commits(Folder(str(tmp_path))).claimed()
    chain = begun(commits, sealed(commits, 0), BEST)
    extended(chain, 5, 3, 4, 6, 2)
    assert [commit.step for commit in chain.kept] == [20, 40, 50]
    spoil(tmp_path / chain.commit.saved.slices[0].file)
    commits = commits.claimed()
    retry = begun(commits, commits.sound(BEST.best), BEST)
    assert (retry.commit.step, retry.end().step) == (40, 20)
    extended(retry, 5, 3, 4, 6, 2)
    assert retry.end().step == 50


def test_a_damaged_best_is_said_and_the_best_that_there_is_takes_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commits = Commits(Folder(str(tmp_path))).claimed()
    chain = begun(commits, sealed(commits, 0), BEST)
    extended(chain, 5, 3, 6, 4)
    spoil(tmp_path / chain.kept[0].saved.slices[0].file)
    commits = commits.claimed()
    retry = begun(commits, commits.sound(BEST.best), BEST)
    assert [commit.step for commit in retry.kept] == [30, 40]
    assert retry.end().step == 40
    passed, lost = caplog.messages
    assert "is passed over: " in passed
    assert "is corrupt" in passed
    assert lost == "the weights of the best validation, of step 20, are lost; these are of step 40"
