"""Triggers are functions of place, validations and time, and say the same on every rank."""

import math
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

from dlcore import (
    Above,
    AfterSeconds,
    AllOf,
    AnyOf,
    AtMaximum,
    AtMinimum,
    Below,
    Constant,
    EarlyStopping,
    EveryEpochs,
    EverySteps,
    Moment,
    Trigger,
    Validation,
)
from dlcore.data.order import Place
from dlcore.data.rows import Resident
from dlcore.step.method import Method
from dlcore.step.triggers import Pauses, needs_validation
from tests.dlcore.step.ranks import resident, trained, weights


def moment(step: int, *losses: float, epoch: int = 0, row: int = 1, seconds: float = 0.0, at: int = 10) -> Moment:
    """A moment after validations each ``at`` steps, whose metric is the loss's negative."""
    found = [Validation(step=at * n, loss=loss, metrics={"m": -loss}) for n, loss in enumerate(losses, 1)]
    return Moment(place=Place(step=step, epoch=epoch, row=row), validations=tuple(found), seconds=seconds)


@pytest.mark.parametrize(
    ("trigger", "yes", "no"),
    [
        (EveryEpochs(2), moment(8, epoch=4, row=0), moment(6, epoch=3, row=0)),
        (EveryEpochs(), moment(8, epoch=1, row=0), moment(0, row=0)),
        (EveryEpochs(), moment(8, epoch=1, row=0), moment(9, epoch=1, row=64)),
        (EverySteps(5), moment(10), moment(11)),
        (EverySteps(5), moment(5), moment(0)),
        (AfterSeconds(9), moment(1, seconds=9.0), moment(1, seconds=8.9)),
        (AtMinimum(), moment(20, 2.0, 1.0), moment(20, 1.0, 1.0)),
        (AtMinimum(), moment(20, 2.0, 1.0), moment(21, 2.0, 1.0)),
        (AtMinimum(), moment(20, math.nan, 1.0), moment(20, 1.0, math.nan)),
        (AtMinimum("m"), moment(20, 1.0, 2.0), moment(20, 2.0, 1.0)),
        (AtMaximum("m"), moment(20, 2.0, 1.0), moment(20, 1.0, 2.0)),
        (Below(1.5), moment(20, 2.0, 1.0), moment(10, 2.0)),
        (Above(-1.5, of="m"), moment(20, 2.0, 1.0), moment(15)),
        (EarlyStopping(patience=2), moment(40, 2.0, 1.0, 1.0, 1.1), moment(30, 2.0, 1.0, 1.0)),
        (EarlyStopping(patience=2), moment(20, math.nan, math.nan), moment(0)),
        (EarlyStopping(patience=1, best=AtMaximum("m")), moment(20, 1.0, 2.0), moment(20, 2.0, 1.0)),
        (AnyOf(EverySteps(7), EverySteps(5)), moment(5), moment(6)),
        (AllOf(EverySteps(2), EverySteps(5)), moment(10), moment(5)),
    ],
)
def test_when_they_are_pulled(trigger: Trigger, yes: Moment, no: Moment) -> None:
    assert trigger(yes)
    assert not trigger(no)


def test_which_need_validations() -> None:
    assert needs_validation(AnyOf(EveryEpochs(), AllOf(Below(0.1), EverySteps(2))))
    assert not any(map(needs_validation, (None, AnyOf(EveryEpochs()), AfterSeconds(1), lambda moment: True)))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: EverySteps(0), r"EverySteps\.number must be at least 1, got 0"),
        (lambda: EveryEpochs(0), r"EveryEpochs\.number must be at least 1, got 0"),
        (lambda: EarlyStopping(patience=0), r"EarlyStopping\.patience must be at least 1, got 0"),
        (lambda: AtMaximum("auc")(moment(10, 1.0)), r"which are \['validation', 'm'\], got 'auc'"),
    ],
)
def test_wrong_values_are_refused(wrong: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wrong()


def rows(count: int) -> Resident:
    x = np.random.default_rng(4).standard_normal((count, 3), dtype=np.float32)
    return resident(pa.table({"x": list(x), "y": x.sum(axis=1)}))


def method(**changes: Any) -> Method:
    settings: dict[str, Any] = {
        "model": lambda: nn.Linear(3, 1),
        "loss": mse_loss,
        "optimizer": partial(SGD, momentum=0.9),
        "schedule": Constant(lr=0.01),
        "batch": 16,
        "epochs": 50,
    }
    return Method(**settings | changes)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_rank_ends_commits_and_records_after_the_same_step(workers: int) -> None:
    timed = trained(method(end=AllOf(AfterSeconds(0.05), EverySteps(4))), workers, rows(70))
    steps = {engine.step for engine, _ in timed}
    assert len(steps) == 1
    assert steps.pop() % 4 == 0
    assert all(engine.figures.seconds >= 0.05 and engine.done for engine, _ in timed)
    assert len({engine.figures.seconds for engine, _ in timed}) == 1
    ended = EarlyStopping(patience=1, best=AtMinimum())
    judged = trained(method(validate=EverySteps(3), end=ended), workers, rows(70), validation=rows(20))
    [last] = {engine.step for engine, _ in judged}
    told = judged[0][1]
    assert [record.step for record in told if record.validation is not None] == list(range(3, last + 1, 3))


def test_a_commit_ends_the_group_and_the_state_goes_on_as_if_it_had_not() -> None:
    whole = trained(method(epochs=2), 1, rows(70))[0][0]
    [(cut, told)] = trained(method(epochs=2), 1, rows(70), pauses=Pauses(commit=EverySteps(3), record=EverySteps(2)))
    assert (cut.step, cut.due, cut.done) == (3, True, False)
    assert [record.step for record in told] == [2]
    [(rest, told)] = trained(method(epochs=2), 1, rows(70), after=(cut.figures, [cut.slice()]))
    assert (rest.due, rest.done) == (False, True)
    assert (weights(rest) == weights(whole)).all()
