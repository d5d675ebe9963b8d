"""What a CSV file or a table holds: each column's kind, nulls, values and range, of all rows or of a sample that fits in memory."""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from apps.new import values
from apps.new.values import Kind
from infra.setup.by_day import Unreadable, read

SAMPLED = 200_000
"""Rows that are looked at; of a larger file, that many drawn from all of it."""

SHOWN = 50
"""Different values up to which a column's values are listed."""

DELIMITERS = ",;\t|"
TAKEN = re.compile(
    "source_file|source_line|ds|time_s|day_sin|day_cos|repeats|value|path|split|place|raw|good|reason|copies|copy|assembled|features"
    "|prediction|probability|decision|model_version|case|not|null|true|false|interval|and|or|in|is|like|between|when|then|else|end"
    "|exists|distinct|select|from|where|cast"
)
"""Names that the platform or SQL gives another meaning."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its ``title`` in the file, its ``name`` in tables, and what its values are.

    ``values`` lists them, the most frequent first, where they are few; ``low``, ``high`` and ``typical`` are of numbers.
    """

    title: str
    name: str
    kind: Kind
    nulls: float
    distinct: int
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    typical: str = ""
    skewed: bool = False
    counts: bool = False


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The columns of ``source``, a file or a Hive table, in their order, and a sample of its ``rows`` as texts.

    ``null`` is the text that stands for no value, beside an empty one. A table is partitioned by days in the column ``partition``.
    """

    source: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    rows: int
    null: str = ""
    delimiter: str = ","
    partition: str = ""
    days: tuple[str, ...] = ()

    def column(self, title: str, option: str) -> Column:
        """The column that an option names."""
        for column in self.columns:
            if title in (column.title, column.name):
                return column
        known = ", ".join(column.title for column in self.columns)
        raise ValueError(f"{option} must name a column of {self.source}, got {title!r}; it has {known}")

    def present(self, column: Column) -> list[str]:
        """The values of a column, without nulls."""
        texts = self.frame[column.title]
        return list(texts[(texts != "") & (texts != self.null)])


def profile(file: Path) -> Profile:
    """Look at a CSV file with a header."""
    delimiter = sniffed(file)
    lines = read(file, delimiter)
    header = next(lines, [])
    refuse(file, header)
    rows, seen = sampled(row for row in lines if len(row) == len(header))
    if not rows:
        raise Unreadable(f"{file} must have rows of {len(header)} columns below its header, got none")
    frame = pd.DataFrame(rows, columns=header, dtype="object")
    null = no_value(frame)
    return Profile(
        source=str(file), columns=columns_of(frame, null), frame=frame, rows=seen, null=null, delimiter=delimiter
    )


def columns_of(frame: pd.DataFrame, null: str = "") -> tuple[Column, ...]:
    """Every column of a sample of texts."""
    return tuple(described(title, name, frame[title], null) for title, name in named(list(frame.columns)).items())


def sniffed(file: Path) -> str:
    """The delimiter: of those that are common, the one that the header has most of."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file} cannot be read as a CSV file in UTF-8: {error}") from error
    return max(DELIMITERS, key=header.count)


def refuse(file: Path, header: Sequence[str]) -> None:
    """Titles must be different, and such that a line of them can be split by its commas."""
    if len(header) < 2:
        raise Unreadable(f"{file} must begin with a header of two columns at least, got {header}")
    if twice := [title for title, count in Counter(header).items() if count > 1]:
        raise Unreadable(f"{file} must name each column once, got {twice} several times")
    if bad := [title for title in header if re.search('[,"]', title)]:
        raise Unreadable(f"{file} must have titles without commas and quotation marks, got {bad}")


def sampled(rows: Iterator[list[str]]) -> tuple[list[list[str]], int]:
    """Up to ``SAMPLED`` rows drawn from all of them, in their order, and how many there are (reservoir sampling)."""
    chance, kept, seen = random.Random(7), list[tuple[int, list[str]]](), 0
    for seen, row in enumerate(rows, 1):
        if len(kept) < SAMPLED:
            kept.append((seen, row))
        elif (place := chance.randrange(seen)) < SAMPLED:
            kept[place] = (seen, row)
    return [row for _, row in sorted(kept)], seen


def no_value(frame: pd.DataFrame) -> str:
    """The text that stands for no value most often, where a column would be numbers or times without it."""
    found = Counter[str]()
    for title in frame.columns:
        texts = frame[title][frame[title] != ""]
        odd = Counter(texts[texts.isin(values.NO_VALUE)])
        if odd and values.kind(texts[~texts.isin(values.NO_VALUE)].tolist()) != "text":
            found.update(odd)
    return max(found, key=lambda text: (found[text], text), default="")


def named(header: Sequence[str]) -> Mapping[str, str]:
    """Titles -> names of columns: small letters, digits and lines, each different and none with another meaning."""
    names: dict[str, str] = {}
    for place, title in enumerate(header, 1):
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or f"column_{place}"
        name = f"c_{name}" if name[0].isdigit() else name
        name = f"{name}_field" if TAKEN.fullmatch(name) else name
        names[title] = name if name not in names.values() else f"{name}_{place}"
    return names


def described(title: str, name: str, texts: "pd.Series[str]", null: str) -> Column:
    """One column from its texts."""
    present = texts[(texts != "") & (texts != null)]
    counts = present.value_counts()
    column = Column(
        title=title,
        name=name,
        kind=values.kind(present.tolist()),
        nulls=1 - len(present) / len(texts),
        distinct=len(counts),
        values=tuple(sorted(counts.index, key=lambda text: (-counts[text], text))) if len(counts) <= SHOWN else (),
        typical=str(counts.index[0]) if len(counts) else "",
    )
    return ranged(column, pd.to_numeric(present)) if column.kind in ("whole", "number") else column


def ranged(column: Column, numbers: "pd.Series[float]") -> Column:
    """With the range of its numbers, whether a few lie far above the rest, and whether they just count rows."""
    low, quarter, middle, upper, high = (float(each) for each in numbers.quantile([0, 0.25, 0.5, 0.75, 1]))
    unique = column.distinct == len(numbers)
    return replace(
        column,
        low=low,
        high=high,
        typical=f"{round(middle)}" if column.kind == "whole" else f"{middle:.6g}",
        skewed=column.distinct > 20 and high - middle > 20 * max(upper - quarter, 1e-12),
        counts=column.kind == "whole" and unique and len(numbers) > 20 and high - low == len(numbers) - 1,
    )


def time_of(found: Profile, column: Column) -> values.Time:
    """How the times of the time column are written."""
    time = values.time(found.present(column), column.kind) if column.nulls < 1 else None
    if time is None:
        example = (column.values or (column.typical,))[0]
        raise ValueError(
            f"--time must name a column of dates or times (ISO 8601, {', '.join(values.DAYS)}, or seconds since 1970), "
            f"got {column.title!r} with values such as {example!r}"
        )
    return time
