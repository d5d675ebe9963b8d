"""Rows whose columns of numbers lie in arrays, those of one type side by side: from Spark they come at half the price of columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from dlcore.data.cells import Array, Rowed, whole


@dataclass(frozen=True)
class Arrays:
    """The columns that lie in each array column, in their order."""

    columns: Mapping[str, tuple[str, ...]]

    @cached_property
    def places(self) -> dict[str, tuple[str, int]]:
        """For each column its array, and where in it it is."""
        return {column: (array, at) for array, names in self.columns.items() for at, column in enumerate(names)}

    def opened(self, rows: Any) -> Rowed:
        """A record batch or table as if each column were one."""
        return Packed(rows, self) if self.columns else rows


@dataclass(frozen=True)
class Packed:
    """``rows`` with the columns in ``arrays``, none of which is null as a whole; a column's value may be."""

    rows: Any
    arrays: Arrays

    @property
    def num_rows(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> pa.Array | pa.ChunkedArray:
        if name not in self.arrays.places:
            return self.rows.column(name)
        array, at = self.arrays.places[name]
        values = self._values(array)
        return values.take(pa.array(np.arange(at, len(values), len(self.arrays.columns[array]))))

    def floats(self, columns: Sequence[str]) -> Array | None:
        """Columns side by side in single precision, those of an array in one move; None if some are in no array or null."""
        if any(column not in self.arrays.places for column in columns):
            return None
        taken = [self.arrays.places[column] for column in columns]
        arrays = {array: self._values(array) for array, _ in taken}
        if any(values.null_count for values in arrays.values()):
            return None
        matrices = {array: values.to_numpy().reshape(self.num_rows, -1) for array, values in arrays.items()}
        if [*map(self.arrays.columns.get, arrays)] == [tuple(columns)]:
            (matrix,) = matrices.values()
            return np.asarray(matrix, np.float32)
        found = np.empty((self.num_rows, len(columns)), np.float32)
        for array, matrix in matrices.items():
            there = [at for at, (other, _) in enumerate(taken) if other == array]
            found[:, _run(there)] = matrix[:, _run([taken[at][1] for at in there])]
        return found

    def _values(self, array: str) -> pa.Array:
        return whole(self.rows, array).flatten()


def _run(places: list[int]) -> slice | list[int]:
    """Places as a slice where they follow each other, which numpy moves without looking at each."""
    first, count = places[0], len(places)
    return slice(first, first + count) if places == [*range(first, first + count)] else places
