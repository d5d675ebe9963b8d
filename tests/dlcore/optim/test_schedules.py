"""Schedules are pure functions of the step with the values their formulas give."""

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR

from dlcore import (
    Constant,
    Cosine,
    Epochs,
    Exponential,
    InverseTime,
    MultiStep,
    NaturalExponential,
    OneCycle,
    Plateau,
    Poly,
    Schedule,
    SequentialSchedule,
    Step,
    Warmup,
    scale_by_root,
    scale_linearly,
)
from dlcore.optim.schedules import after, base_rate, follows_validation, in_steps


def test_warmup_rises_linearly_then_follows() -> None:
    schedule = Warmup(start=0.1, steps=4, then=Poly(lr=0.5, steps=10))
    assert [schedule(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert schedule(9) == pytest.approx(0.25)
    assert schedule(1000) == 0.0


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        (Constant(lr=0.3), 10**6, 0.3),
        (Poly(lr=1.0, steps=10, power=2.0), 5, 0.25),
        (Step(lr=1.0, every=10), 9, 1.0),
        (Step(lr=1.0, every=10), 20, 0.01),
        (Exponential(lr=1.0, every=10, factor=0.25), 5, 0.5),
        (NaturalExponential(lr=1.0, every=10, decay=0.5), 20, math.exp(-1)),
        (InverseTime(lr=1.0, every=10, decay=0.5), 20, 0.5),
        (Cosine(lr=1.0, steps=10, end=0.2), 5, 0.6),
        (Cosine(lr=1.0, steps=10), 99, 0.0),
    ],
)
def test_rates(schedule: Poly, step: int, rate: float) -> None:
    assert schedule(step) == pytest.approx(rate)


def test_a_warm_up_is_a_part_of_the_base_rate_and_zero_is_no_base() -> None:
    assert base_rate(Warmup(start=0.0, steps=4, then=Warmup(start=0.1, steps=4, then=Plateau(lr=0.5)))) == 0.5
    assert base_rate(lambda step: 0.1 * step) == 1.0


def test_a_plateau_behind_a_warmup() -> None:
    schedule = Warmup(start=0.0, steps=4, then=Plateau(lr=0.4, patience=0))
    assert follows_validation(schedule)
    assert not follows_validation(Warmup(start=0.0, steps=4, then=Constant(lr=0.4)))
    assert [after(schedule, [1.0, 1.0])(step) for step in (2, 9)] == pytest.approx([0.02, 0.04])
    assert after(Constant(lr=0.4), [1.0]) == Constant(lr=0.4)


def test_a_sequence_is_that_of_torch() -> None:
    optimizer = SGD([nn.Parameter(torch.ones(1))], lr=0.8)
    theirs = SequentialLR(
        optimizer,
        [
            ConstantLR(optimizer, factor=0.5, total_iters=99),
            ExponentialLR(optimizer, 0.9),
            ExponentialLR(optimizer, 0.5),
        ],
        milestones=[3, 7],
    )
    decays = [Exponential(lr=0.8, every=1, factor=0.9), Exponential(lr=0.8, every=1, factor=0.5)]
    ours = SequentialSchedule(schedules=[Constant(lr=0.4), *decays], milestones=[3, 7])
    for step in range(12):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"]), step
        optimizer.step()
        theirs.step()


def test_a_sequence_begins_with_the_base_rate_and_may_follow_the_validation_loss() -> None:
    warm = Warmup(start=0.0, steps=4, then=Constant(lr=0.4))
    schedule = SequentialSchedule(schedules=[warm, Plateau(lr=0.2, patience=0)], milestones=[8])
    assert base_rate(schedule) == 0.4
    assert follows_validation(schedule)
    assert [after(schedule, [1.0, 1.0])(step) for step in (2, 7, 8)] == pytest.approx([0.2, 0.4, 0.02])


def test_lengths_in_epochs_are_steps_once_those_of_an_epoch_are_known() -> None:
    decay = SequentialSchedule(
        schedules=[MultiStep(lr=0.4, milestones=[Epochs(1), Epochs(1.5)]), Poly(lr=0.1, steps=Epochs(0.01))],
        milestones=[Epochs(3)],
    )
    schedule = Warmup(start=0.0, steps=Epochs(2), then=decay)
    known = SequentialSchedule(
        schedules=(MultiStep(lr=0.4, milestones=(10, 15)), Poly(lr=0.1, steps=1)), milestones=(30,)
    )
    assert in_steps(schedule, 10) == Warmup(start=0.0, steps=20, then=known)
    assert base_rate(schedule) == 0.4
    with pytest.raises(ValueError, match=r"in_steps\(schedule, steps_an_epoch\), got Epochs"):
        schedule(0)


@pytest.mark.parametrize("plain", [lambda step: 0.1, Constant(lr=0.1), OneCycle(lr=0.1, steps=9)])
def test_what_counts_in_steps_stays_as_it_is(plain: Schedule) -> None:
    assert in_steps(plain, 10) == plain


def test_scaling() -> None:
    assert scale_linearly(0.1, batch=2048) == pytest.approx(0.8)
    assert scale_by_root(0.1, batch=1024) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Warmup(start=0.1, steps=-1, then=Constant(lr=1)),
        lambda: Poly(lr=0.1, steps=0),
        lambda: Step(lr=0.1, every=0),
        lambda: Cosine(lr=math.nan, steps=3),
        lambda: Constant(lr=-1.0),
        lambda: OneCycle(lr=0.1, steps=0),
        lambda: OneCycle(lr=0.1, steps=9, rise=1.5),
        lambda: Plateau(lr=0.1, factor=1.0),
        lambda: scale_linearly(0.1, batch=0),
        lambda: scale_by_root(0.1, batch=0),
        lambda: Epochs(-1),
        lambda: MultiStep(lr=0.1, milestones=[5, 5]),
        lambda: MultiStep(lr=0.1, milestones=[5, Epochs(9)]),
        lambda: SequentialSchedule(schedules=[Constant(lr=1)], milestones=[5]),
        lambda: Poly(lr=0.1, steps=Epochs(0)),
        lambda: InverseTime(lr=0.1, every=3, decay=-1),
        lambda: NaturalExponential(lr=0.1, every=0, decay=1),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"must (be|rise)"):
        wrong()  # type: ignore[operator]
