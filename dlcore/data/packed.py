"""Rows whose columns of numbers lie in arrays, alike ones side by side: from Spark they come at half the price of columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from dlcore.data.cells import Array, Rowed, is_number, whole


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
        values, width = self._values[array], len(self.arrays.columns[array])
        if values.null_count:
            return values.take(pa.array(np.arange(at, len(values), width)))
        return pa.array(values.to_numpy()[at::width])

    def floats(self, columns: Sequence[str]) -> Array | None:
        """Columns of numbers side by side in single precision, those of an array in one move; None if a value is null or no number."""
        there, taken = dict[str, list[int]](), dict[str, list[int]]()
        for number, column in enumerate(columns):
            source, place = self.arrays.places.get(column, (column, 0))
            there.setdefault(source, []).append(number)
            taken.setdefault(source, []).append(place)
        found = np.empty((self.num_rows, len(columns)), np.float32)
        for source, places in taken.items():
            if (matrix := self._matrix(source, places)) is None:
                return None
            if len(taken) == 1:
                return np.ascontiguousarray(matrix, np.float32)
            found[:, _run(there[source])] = matrix
        return found

    def _matrix(self, source: str, places: list[int]) -> Array | None:
        """Columns of an array, or the one that is in none."""
        values = self._values[source] if source in self.arrays.columns else whole(self.rows, source)
        if not is_number(values.type):
            return None
        chosen = _run(places)
        if values.null_count:
            if not values.is_valid().to_numpy(zero_copy_only=False).reshape(self.num_rows, -1)[:, chosen].all():
                return None
            values = values.fill_null(0)
        return np.asarray(values.to_numpy()).reshape(self.num_rows, -1)[:, chosen]

    @cached_property
    def _values(self) -> dict[str, pa.Array]:
        """The numbers in each array, row after row."""
        return {array: whole(self.rows, array).flatten() for array in self.arrays.columns}


def _run(places: list[int]) -> slice | list[int]:
    """Places as a slice where they follow each other, which numpy moves without looking at each."""
    first, count = places[0], len(places)
    return slice(first, first + count) if places == [*range(first, first + count)] else places
