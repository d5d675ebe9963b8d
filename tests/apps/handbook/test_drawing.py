"""A customer's transactions obey the simulation's rules, and are a function of seed and customer."""

from dataclasses import asdict

import numpy as np
import pytest

from apps.handbook.drawing import CUSTOMER_DAYS, LARGE, TERMINAL_DAYS, Compromised, Customer, transactions
from features.expressions import DAY_S

DAYS = 60
NOBODY = Compromised(days=DAYS, terminals=np.array([-1]), customers={})


def customer(number: int = 3, mean: float = 60.0) -> Customer:
    return Customer(number=number, mean=mean, rate=3.0, nearby=np.array([5, 8, 13]))


def test_a_customer_does_the_same_again_and_another_does_other_things() -> None:
    first, again, other = (transactions(customer(number), NOBODY, seed=7) for number in (3, 3, 4))
    assert all(np.array_equal(found, asdict(again)[name]) for name, found in asdict(first).items())
    assert len(other.amount) != len(first.amount) or not np.array_equal(first.amount, other.amount)
    assert not np.intersect1d(first.number, other.number).size


def test_amounts_and_times_are_as_drawn_for_the_customer() -> None:
    found = transactions(customer(), NOBODY, seed=7)
    assert np.all(np.diff(found.second) >= 0) and found.second[-1] < DAYS * DAY_S
    assert set(found.terminal) == {5, 8, 13}
    assert np.all(found.amount >= 0) and found.amount.mean() == pytest.approx(60, rel=0.15)
    assert len(found.amount) / DAYS == pytest.approx(3 * 0.969, rel=0.25)  # 3.1 % of the times fall outside of the day


def test_amounts_above_the_limit_are_frauds_and_no_others_where_nobody_is_compromised() -> None:
    found = transactions(customer(mean=100.0), NOBODY, seed=7)
    assert np.array_equal(found.fraud == 1, found.amount > LARGE) and found.fraud.any()


def test_all_at_a_compromised_terminal_is_fraud_for_its_days() -> None:
    whole = Compromised.drawn(seed=1, days=DAYS, terminals=20, customers=20)
    terminal, begin = divmod(int(whole.terminals[0]), DAYS)
    only = Compromised(days=DAYS, terminals=whole.terminals[whole.terminals < (terminal + 1) * DAYS], customers={})
    found = transactions(Customer(number=1, mean=20.0, rate=4.0, nearby=np.array([terminal])), only, seed=7)
    days = set((only.terminals - terminal * DAYS).tolist())
    assert len(days) >= min(TERMINAL_DAYS, DAYS - begin)
    assert np.array_equal(found.fraud == 1, np.isin(found.second // DAY_S, list(days)))


def test_a_third_of_a_compromised_customers_amounts_is_five_times_as_large_for_its_days() -> None:
    stolen = Compromised(days=DAYS, terminals=np.array([-1]), customers={3: [10]})
    usual, found = (transactions(customer(mean=20.0), each, seed=7) for each in (NOBODY, stolen))
    within = (found.second // DAY_S >= 10) & (found.second // DAY_S < 10 + CUSTOMER_DAYS)
    assert found.fraud.sum() == within.sum() // 3 > 0 and within[found.fraud == 1].all()
    assert found.amount[found.fraud == 1] == pytest.approx(5 * usual.amount[found.fraud == 1], abs=0.03)
    assert np.array_equal(found.amount[found.fraud == 0], usual.amount[found.fraud == 0])
