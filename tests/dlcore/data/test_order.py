"""Order: each row once an epoch, whatever rows, batch and workers; the batches do not depend on the workers."""

import itertools

import numpy as np
import pytest

from dlcore.data.order import BUCKET_ROWS, RUN, Order, Place, part

GRID = list(itertools.product([1, 3, 64, 2000], [1, 2, 3, 8]))


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 1023])
@pytest.mark.parametrize("window", [1, 64, 200, 10**6])
def test_each_row_once_an_epoch(rows: int, window: int) -> None:
    for batch, workers in GRID:
        order = Order(rows=rows, batch=batch, seed=5, window=window)
        batches = [order.at(step) for step in range(order.steps, 2 * order.steps)]
        seen = [batch[part(len(batch), rank, workers)] for batch in batches for rank in range(workers)]
        assert sorted(np.concatenate(seen).tolist()) == list(range(rows))
        assert all(len(each) == batch for each in batches[:-1])


@pytest.mark.parametrize("rows", [1, 7, 100, 1023])
@pytest.mark.parametrize("batches", [[8, 4, 8], [3, 5, 2, 64], [1, 2000, 1]])
def test_a_batch_that_changes_anywhere_neither_loses_nor_repeats_a_row(rows: int, batches: list[int]) -> None:
    place, seen, last = Place(), list[int](), 0
    for batch in itertools.cycle(batches):
        order = Order(rows=rows, batch=batch, seed=5, window=64, start=place)
        for _ in range(3):  # steps of a group
            if place.epoch < 3:
                seen += order.at(place.step).tolist()
                place, last = order.place(place.step + 1), place.epoch
                assert len(seen) == place.epoch * rows + place.row
        if place.epoch == 3:
            break
    assert (place.row, last) == (0, 2)
    whole = Order(rows=rows, batch=rows, seed=5, window=64)
    assert seen == np.concatenate([whole.at(epoch) for epoch in range(3)]).tolist()


def test_places_and_steps_are_each_others_inverse() -> None:
    order = Order(rows=103, batch=10, seed=1)
    assert [order.step_at(order.place(step)) for step in range(40)] == list(range(40))
    assert order.place(11) == Place(step=11, epoch=1, row=0)
    later = Order(rows=103, batch=50, seed=1, start=Place(step=7, epoch=0, row=70))
    assert later.place(8) == Place(step=8, epoch=1, row=0)
    assert order.step_at(later.place(10)) == 21, "a schedule goes on by rows, not by steps"


def test_order_is_a_function_of_seed_and_epoch() -> None:
    first, again, other = (Order(rows=500, batch=64, seed=seed) for seed in (1, 1, 2))
    assert (first.at(3) == again.at(3)).all()
    assert (first.at(3) != other.at(3)).any()
    assert (first.at(0) != first.at(first.steps)).any()


@pytest.mark.parametrize(("length", "workers"), [(0, 3), (1, 3), (10, 3), (1024, 2)])
def test_shares_differ_by_one_at_most_and_rank_zero_is_never_short(length: int, workers: int) -> None:
    sizes = [len(range(length)[part(length, rank, workers)]) for rank in range(workers)]
    assert sum(sizes) == length
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)


@pytest.mark.parametrize("start", [Place(), Place(step=7, epoch=1, row=3), Place(step=9, epoch=2, row=99)])
@pytest.mark.parametrize("batch", [1, 30, 100, 128])
def test_a_run_ends_with_the_last_row_of_its_last_epoch(start: Place, batch: int) -> None:
    order = Order(rows=100, batch=batch, seed=1, start=start)
    assert order.place(order.end(3)) == Place(step=order.end(3), epoch=3)
    assert order.place(order.end(3) - 1).epoch == 2


def test_a_wrong_rank_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rank must be in 0\.\.1, got 2"):
        part(10, 2, 2)
    with pytest.raises(ValueError, match="rows=0"):
        Order(rows=0, batch=1, seed=1)


def test_a_window_keeps_a_stretch_of_steps_to_a_few_stretches_of_rows() -> None:
    order = Order(rows=100_000, batch=100, seed=1, window=6_400)
    rows = np.concatenate([order.at(step) for step in range(64)])
    assert len(np.unique(rows // 100)) == 64
    assert len(np.unique(order.at(0) // 100)) > 30


@pytest.mark.parametrize("window", [100_000, 10**6])
def test_windows_of_several_buckets_give_each_row_once_an_epoch(window: int) -> None:
    order = Order(rows=200_003, batch=2048, seed=3, window=window)
    epochs = [np.concatenate([order.at(step) for step in range(at, at + order.steps)]) for at in (0, order.steps)]
    for rows in epochs:
        assert (np.sort(rows) == np.arange(200_003)).all()
    assert (epochs[0] != epochs[1]).mean() > 0.99


def test_every_batch_of_a_window_of_several_buckets_has_rows_from_all_over_it() -> None:
    order = Order(rows=200_003, batch=2048, seed=3)
    for step in range(order.steps - 1):
        tenths = np.bincount(order.at(step) * 10 // 200_003, minlength=10)
        assert tenths.min() > 2048 / 10 / 2, "sorted data does not make a batch of one kind"


def test_neighbours_come_to_one_bucket_but_apart_in_it() -> None:
    order = Order(rows=200_000, batch=1, seed=3)
    whole = Order(rows=200_000, batch=200_000, seed=3).at(0)
    place = np.empty(200_000, np.int64)
    place[whole] = np.arange(200_000)
    apart = np.abs(np.diff(place.reshape(-1, RUN), axis=1))
    assert apart.max() < 2 * BUCKET_ROWS
    assert np.median(apart) > 1_000
    assert order.at(17) == whole[17]
