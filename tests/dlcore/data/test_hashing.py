"""A hash of rows as a set: no order and no cut changes it, and any other bit does."""

import numpy as np
import pyarrow as pa
import pytest

from dlcore.data.cells import Cells
from dlcore.data.hashing import rows_hash


def rows(count: int = 700) -> dict[str, Cells]:
    draw = np.random.default_rng(1)
    return {
        "table": draw.random((count, 5)).astype(np.float32),
        "label": draw.integers(0, 3, count),
        "odd": draw.integers(0, 255, (count, 7, 3), dtype=np.uint8),
        "bytes": pa.array([b"x" * int(length) for length in draw.integers(0, 9, count)], pa.large_binary()),
    }


def taken(cells: dict[str, Cells], places: np.ndarray) -> dict[str, Cells]:
    return {
        name: each[places] if isinstance(each, np.ndarray) else each.take(pa.array(places))
        for name, each in cells.items()
    }


def test_neither_order_nor_pieces_matter() -> None:
    cells = rows()
    places = np.random.default_rng(2).permutation(700)
    pieces = [taken(cells, each) for each in np.split(places, [1, 200])]
    assert sum(map(rows_hash, pieces)) % 2**64 == rows_hash(cells) % 2**64
    assert -(2**63) <= rows_hash(cells) < 2**63


@pytest.mark.parametrize("name", ["table", "label", "odd"])
def test_every_bit_of_a_row_matters(name: str) -> None:
    found = {rows_hash(rows(3))}
    for bit in range(8 * np.asarray(rows(3)[name])[1].nbytes):
        cells = rows(3)
        content = np.asarray(cells[name])[1:2].view(np.uint8).reshape(-1)
        content[bit // 8] ^= 1 << bit % 8
        found.add(rows_hash(cells))
    assert len(found) == 1 + 8 * np.asarray(rows(3)[name])[1].nbytes


def test_values_that_change_rows_or_tensors_are_other_rows() -> None:
    table = np.asarray(rows(2)["table"])
    assert rows_hash({"a": table}) != rows_hash({"a": np.stack([table[0], table[0]])})
    swapped = np.stack([np.append(table[0, :4], table[1, 4]), np.append(table[1, :4], table[0, 4])])
    assert rows_hash({"a": table}) != rows_hash({"a": swapped})
    assert rows_hash({"a": table, "b": table[:, :2]}) != rows_hash({"a": table[:, :2], "b": table})
    held = pa.array([b"ab", b"c"], pa.large_binary())
    assert rows_hash({"a": held}) != rows_hash({"a": pa.array([b"a", b"bc"], pa.large_binary())})


def test_it_stays_what_it_was_for_data_that_is_written_already() -> None:
    assert rows_hash({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}) == -5445865878881072514
