"""Columns of numbers as one array a row, on their way from Spark to Python: columns cost half as much again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql.types import (
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StructType,
)

from dlcore.data.cells import Rowed, usable, whole
from dlcore.data.layout import Layout, Part

NUMBERS = ByteType, DoubleType, FloatType, IntegerType, LongType, ShortType


@dataclass(frozen=True, kw_only=True)
class Packing:
    """``layout`` makes the same tensors of what ``expressions`` select; ``arrays`` are the columns in each array."""

    layout: Layout
    arrays: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, layout: Layout, schema: StructType) -> "Packing":
        kinds = {field.name: field.dataType for field in schema.fields}
        names = {part: f"__array_{at}" for at, part in enumerate(layout.parts) if _packs(part, kinds)}

        def packed(parts: tuple[Part, ...]) -> tuple[Part, ...]:
            return tuple(
                replace(each, columns=(names[each],), packed=False) if each in names else each for each in parts
            )

        arrays = {name: part.columns for part, name in names.items()}
        return cls(layout=Layout(inputs=packed(layout.inputs), targets=packed(layout.targets)), arrays=arrays)

    @property
    def expressions(self) -> list[str]:
        """The columns as SQL."""
        singles = [f"`{column}`" for column in self.layout.columns if column not in self.arrays]
        return singles + [
            f"array({', '.join(map(_as_float, columns))}) as `{name}`" for name, columns in self.arrays.items()
        ]

    def unusable(self, batch: Rowed) -> dict[str, int]:
        """How many rows of each column are null, NaN or infinite; only columns that have some."""
        found = self.layout.unusable(batch)
        for name, columns in self.arrays.items():
            if found.pop(name, 0):
                good = usable(whole(batch, name).flatten()).reshape(-1, len(columns))
                found |= {column: int(bad) for column, bad in zip(columns, (~good).sum(axis=0), strict=True) if bad}
        return found


def _packs(part: Part, kinds: Mapping[str, DataType]) -> bool:
    if not part.packed or part.words is not None or part.dtype != np.dtype(np.float32).name:
        return False
    if part.shape is not None and math.prod(part.shape) != len(part.columns):
        return False  # which is refused by the columns' names
    return len(part.columns) > 1 and all(isinstance(kinds[column], NUMBERS) for column in part.columns)


def _as_float(column: str) -> str:
    return f"float(`{column}`)"
