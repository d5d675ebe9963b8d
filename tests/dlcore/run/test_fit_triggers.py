"""Runs that end by triggers, keep their best weights, and are gone on from to more epochs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from torch.optim import SGD

from dlcore import (
    Accuracy,
    AtMaximum,
    AtMinimum,
    Constant,
    EarlyStopping,
    EverySteps,
    Fitted,
    Folder,
    SequentialSchedule,
    Training,
)
from dlcore.run.commits import Commits
from tests.dlcore.run.test_fit_here import columns, same, training

STEPS_AN_EPOCH = 9
JUMP = SequentialSchedule(schedules=[Constant(lr=0.3), Constant(lr=100)], milestones=[5])


def diverging(**changes: Any) -> Training:
    """One whose validation loss rises after a while, since the rate does."""
    return training(optimizer=SGD, schedule=JUMP, batch=64, epochs=12, metrics=[Accuracy()], **changes)


def fit(method: Training, tumours: pd.DataFrame, folder: Path | None = None, **given: Any) -> Fitted:
    """Trained on few rows, and judged by the others."""
    given = columns(tumours) | {"validation": tumours.iloc[40:]} | given
    return method.fit(tumours.iloc[:40], folder=None if folder is None else str(folder), **given)


def test_the_weights_of_the_best_validation_are_kept_and_named(tumours: pd.DataFrame, tmp_path: Path) -> None:
    best = AtMinimum("validation")
    jumping = diverging(keep_best=best, keep_commits=1)
    fitted = fit(jumping, tumours, tmp_path)
    losses = [record.validation or 0.0 for record in fitted.history]
    assert fitted.best is not None
    assert fitted.best.validation == min(losses) < losses[-1]
    again = fit(jumping, tumours, tmp_path)
    assert again.best == fitted.best
    assert same(again.module, fitted.module)
    kept = [commit.step for commit in Commits(Folder(f"{tmp_path}/commits")).sound()]
    assert kept == [fitted.best.step, fitted.history[-1].step]
    found = fitted.evaluate(tumours.iloc[40:], [Accuracy()])
    assert found["accuracy"] == pytest.approx(fitted.best.metrics["accuracy"])


def test_early_stopping_ends_the_same_when_it_was_interrupted(tumours: pd.DataFrame, tmp_path: Path) -> None:
    best = AtMaximum("accuracy")
    early = diverging(end=EarlyStopping(patience=3, best=best), keep_best=best)
    whole = fit(early, tumours)
    assert whole.best is not None
    assert whole.history[-1].epoch == whole.best.epoch + 3 < 12
    fit(early, tumours, tmp_path, on_progress=lambda record: record.epoch == 2)
    rest = fit(early, tumours, tmp_path)
    assert same(rest.module, whole.module)
    assert [(r.step, r.validation) for r in rest.history] == [(r.step, r.validation) for r in whole.history]


def test_more_epochs_go_on_from_a_finished_run_and_fewer_are_refused(tumours: pd.DataFrame, tmp_path: Path) -> None:
    given = columns(tumours) | {"folder": str(tmp_path)}
    training(epochs=2).fit(tumours, **given)
    rest = training(epochs=4).fit(tumours, **given)
    assert same(rest.module, training(epochs=4).fit(tumours, **columns(tumours)).module)
    assert [record.epoch for record in rest.history] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"a run of 4 epochs; Training\.epochs must be no less, got 3"):
        training(epochs=3).fit(tumours, **given)


def test_an_end_within_an_epoch_is_recorded_and_another_goes_on(tumours: pd.DataFrame, tmp_path: Path) -> None:
    given = columns(tumours) | {"folder": str(tmp_path)}
    first = training(end=EverySteps(5)).fit(tumours, **given)
    assert [record.step for record in first.history] == [5]
    rest = training().fit(tumours, **given)
    assert same(rest.module, training().fit(tumours, **columns(tumours)).module)
    assert [record.step for record in rest.history] == [
        5,
        *range(STEPS_AN_EPOCH, 4 * STEPS_AN_EPOCH + 1, STEPS_AN_EPOCH),
    ]


def test_triggers_that_follow_validations_need_them(tumours: pd.DataFrame) -> None:
    method = replace(training(), keep_best=AtMinimum(), end=EarlyStopping(patience=1))
    with pytest.raises(ValueError, match=r"end, keep_best follow what validations find; give fit a validation="):
        method.fit(tumours, **columns(tumours))
