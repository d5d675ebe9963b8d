"""Schedules are pure functions of the step with the values their formulas give."""

import math

import pytest

from dlcore import Constant, Cosine, Exponential, Poly, Step, Warmup, scale_linearly


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
        (Cosine(lr=1.0, steps=10, end=0.2), 5, 0.6),
        (Cosine(lr=1.0, steps=10), 99, 0.0),
    ],
)
def test_rates(schedule: Poly, step: int, rate: float) -> None:
    assert schedule(step) == pytest.approx(rate)


def test_linear_scaling() -> None:
    assert scale_linearly(0.1, batch=2048) == pytest.approx(0.8)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Warmup(start=0.1, steps=-1, then=Constant(lr=1)),
        lambda: Poly(lr=0.1, steps=0),
        lambda: Step(lr=0.1, every=0),
        lambda: Cosine(lr=math.nan, steps=3),
        lambda: Constant(lr=-1.0),
        lambda: scale_linearly(0.1, batch=0),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        wrong()  # type: ignore[operator]
