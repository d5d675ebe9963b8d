"""What a customer does in some days, drawn by the simulation's rules: arrays in, arrays out.

A customer's transactions are a function of seed and customer alone, however customers are spread over tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.expressions import DAY_S

NUMBERS = 1 << 20
"""How many numbers of transactions a customer has of its own."""

LARGE = 220.0
"""Every amount above it is a fraud."""

TERMINAL_DAYS = 28
"""How long every transaction at a compromised terminal is a fraud."""

CUSTOMER_DAYS = 14
"""How long a third of a compromised customer's transactions are frauds, of five times their amount."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Compromised:
    """``terminals`` holds, sorted, ``terminal * days + day`` of each terminal and day at which all is fraud; ``customers`` maps
    each customer of whom some are to the days on which that begins.
    """

    days: int
    terminals: Ints
    customers: Mapping[int, list[int]]

    @classmethod
    def drawn(cls, *, seed: int, days: int, terminals: int, customers: int) -> "Compromised":
        """Two of 10,000 terminals and three of 5,000 customers begin each day, and one of each at least."""
        chance = np.random.default_rng([seed, 1])
        codes, begun = [], dict[int, list[int]]()
        for day in range(days):
            ends = min(day + TERMINAL_DAYS, days)
            for terminal in chance.choice(terminals, max(1, round(terminals * 2 / 10_000)), replace=False):
                codes.append(terminal * days + np.arange(day, ends))
            for customer in chance.choice(customers, max(1, round(customers * 3 / 5_000)), replace=False):
                begun.setdefault(int(customer), []).append(day)
        return cls(days=days, terminals=np.unique(np.concatenate(codes)), customers=begun)

    def at(self, terminal: Ints, day: Ints) -> NDArray[np.bool_]:
        """Whether each terminal is compromised on the day beside it."""
        code = terminal * self.days + day
        place = np.searchsorted(self.terminals, code)
        return np.asarray(self.terminals[np.minimum(place, len(self.terminals) - 1)] == code)


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Who spends ``mean`` on average, ``rate`` times a day, at the terminals ``nearby``."""

    number: int
    mean: float
    rate: float
    nearby: Ints


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Transactions (N,) in order: their number, second since the first day's begin, terminal, amount, and label (0 or 1)."""

    number: Ints
    second: Ints
    terminal: Ints
    amount: Floats
    fraud: Ints


def transactions(customer: Customer, compromised: Compromised, *, seed: int) -> Drawn:
    """Everything that a customer, who has terminals nearby, does in ``compromised.days``."""
    chance = np.random.default_rng([seed, 2, customer.number])
    day = np.repeat(np.arange(compromised.days), chance.poisson(customer.rate, compromised.days))
    time = np.floor(chance.normal(DAY_S / 2, 20_000, len(day)))
    inside = (time > 0) & (time < DAY_S)
    day, time = day[inside], time[inside]
    amount = _amounts(customer.mean, len(day), chance)
    terminal = chance.choice(customer.nearby, len(day))
    stolen = _stolen(compromised.customers.get(customer.number, []), day, chance)
    fraud = (amount > LARGE) | compromised.at(terminal, day) | stolen
    second = (day * DAY_S + time).astype(np.int64)
    order = np.argsort(second, kind="stable")
    return Drawn(
        number=customer.number * NUMBERS + np.arange(len(day)),
        second=second[order],
        terminal=terminal[order],
        amount=np.where(stolen, 5 * amount, amount).round(2)[order],
        fraud=fraud.astype(np.int64)[order],
    )


def _amounts(mean: float, count: int, chance: np.random.Generator) -> Floats:
    amount = chance.normal(mean, mean / 2, count)
    return np.where(amount < 0, chance.uniform(0, 2 * mean, count), amount).astype(np.float64)


def _stolen(begun: list[int], day: Ints, chance: np.random.Generator) -> NDArray[np.bool_]:
    """Which transactions are made with a stolen card: a third of those in the days after each begin."""
    found = np.zeros(len(day), dtype=bool)
    for begin in begun:
        within = np.flatnonzero((day >= begin) & (day < begin + CUSTOMER_DAYS))
        found[chance.choice(within, len(within) // 3, replace=False)] = True
    return found
