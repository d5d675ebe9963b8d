"""A CSV file laid into the landing folder, one file a day: what an app's ``data.py`` says to bring its first rows.

Standard library alone, for set-up asks it before anything is installed.
"""

import csv
import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

HELD = 100_000
"""Rows in memory."""

EPOCH = "epoch"
"""The form of a time that is a number of seconds since 1970."""


class Unreadable(ValueError):
    """The file is no CSV with a header."""


@dataclass(frozen=True, kw_only=True)
class ByDay:
    """The rows of ``file`` by the day that their column ``time`` falls on (UTC), or all on ``day``, below ``app``/ds=DAY.

    ``form`` is the time's format as of ``strptime``, ``epoch`` for seconds since 1970, empty for ISO 8601. A row whose time cannot be
    read goes with the row before it, for ingest to set aside. Rows are written as CSV with commas, one a line.
    """

    file: Path
    app: str
    delimiter: str = ","
    time: str = ""
    form: str = ""
    day: str = ""

    def __post_init__(self) -> None:
        if bool(self.time) == bool(self.day):
            raise ValueError(f"ByDay needs a column `time` or one `day`, got {self.time!r} and {self.day!r}")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (repr(self),)

    def landed(self, landing: Path) -> bool:
        """Whether there are days already, or no file to make them of: on another machine, days are delivered otherwise."""
        return any((landing / self.app).glob("ds=*")) or not self.file.exists()

    def land(self, landing: Path, scratch: Path, *, python: Path | None = None) -> None:
        """Put one file a day below ``landing``, each whole at once; ``python`` is what set-up gives, and is not needed."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            for made in self._split(scratch):
                target = landing / self.app / f"ds={made.stem}"
                target.mkdir(parents=True, exist_ok=True)
                shutil.move(made, target / "rows.csv")
        finally:
            shutil.rmtree(scratch)

    def _split(self, folder: Path) -> list[Path]:
        """One file a day in ``folder``, written some rows at a time."""
        header, rows = self._rows()
        place = header.index(self.time) if self.time else -1
        day, held = self.day, dict[str, list[list[str]]]()
        while some := list(itertools.islice(rows, HELD)):
            for row in some:
                day = (self.time and self._day(row[place : place + 1])) or day
                held.setdefault(day, []).append(row)
            early = held.pop("", [])  # rows before the first whose time can be read
            if not held:
                raise Unreadable(f"{self.file} must have rows with a time in {self.time!r}, got none in {len(early):,}")
            held[min(held)][:0] = early
            for name, its in held.items():
                append(folder / f"{name}.csv", header, its)
            held.clear()
        if not (made := sorted(folder.glob("*.csv"))):
            raise Unreadable(f"{self.file} must have rows below its header, got none")
        return made

    def _rows(self) -> tuple[list[str], Iterator[list[str]]]:
        lines = read(self.file, self.delimiter)
        header = next(lines, [])
        return header, (row for row in lines if row)

    def _day(self, field: Sequence[str]) -> str:
        """The day of a row's time, or nothing where it cannot be read."""
        try:
            return str(moment("".join(field), self.form).date())
        except (ValueError, OverflowError, OSError):
            return ""


def moment(text: str, form: str) -> datetime:
    """The time that ``text`` says, in UTC; a date is its midnight."""
    if form == EPOCH:
        return datetime.fromtimestamp(float(text), UTC)
    if not form and not re.match(
        r"\d{4}-\d\d-\d\d", text
    ):  # Python reads other forms of ISO 8601, which Spark does not
        raise ValueError(f"a time must begin with YYYY-MM-DD, got {text!r}")
    found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found


def read(file: Path, delimiter: str) -> Iterator[list[str]]:
    """The rows of a CSV file, its header first; white space is one blank, and none around a field."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            for row in csv.reader(lines, delimiter=delimiter, strict=True):
                yield [" ".join(field.split()) for field in row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{file} cannot be read as a CSV file in UTF-8: {error}") from error


def append(file: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    begun = file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows if begun else [header, *rows])


def today(file: Path) -> str:
    """The day on which the file was last written."""
    return str(date.fromtimestamp(file.stat().st_mtime))
