"""A row's random numbers: a function of seed, epoch and row, whoever asks and in whatever order."""

import numpy as np

from dlcore.data.feed import RowChances


def drawn(seed: int, epoch: int, *rows: int) -> list[list[float]]:
    """What each row draws of every kind, of which some leave halves of numbers behind."""
    chances = RowChances(seed, epoch)
    found = []
    for row in rows:
        generator = chances(row)
        found.append([*generator.random(3), float(generator.integers(0, 1000, dtype=np.uint32)), generator.normal()])
    return found


def test_a_rows_numbers_do_not_depend_on_the_rows_before() -> None:
    first, second, third = drawn(7, 1, 0, 5, 10**12)
    assert drawn(7, 1, 5, 10**12, 0) == [second, third, first]


def test_rows_epochs_and_seeds_draw_other_numbers() -> None:
    found = [*drawn(7, 1, 0, 1, 2), *drawn(7, 2, 0, 1, 2), *drawn(8, 1, 0, 1, 2)]
    assert len({numbers[0] for numbers in found}) == 9


def test_first_numbers_of_neighbouring_rows_are_as_if_from_one_stream() -> None:
    numbers = np.array([each[0] for each in drawn(3, 0, *range(20_000))])
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03
    assert np.histogram(numbers, bins=10, range=(0, 1))[0].min() > 1_800
