"""What the texts of one column are: whole numbers, numbers, times of one form, or just text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from infra.setup.by_day import EPOCH, moment

Kind = Literal["whole", "number", "time", "text"]

WHOLE = r"[+-]?(0|[1-9]\d{0,17})"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
PADDED = r"[+-]?0\d+"
"""A number written with leading zeros is a name, such as a post code."""

NO_VALUE = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-")
"""Texts that commonly stand for no value."""

ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?"
DAYS = {"%d/%m/%Y": "d/M/yyyy", "%m/%d/%Y": "M/d/yyyy", "%d.%m.%Y": "d.M.yyyy", "%Y/%m/%d": "yyyy/M/d"}
HOURS = {"": "", " %H:%M": " H:m", " %H:%M:%S": " H:m:s"}
FORMS = {"": ""} | {day + hour: DAYS[day] + HOURS[hour] for day in DAYS for hour in HOURS}
"""The forms of times that are known: Python's -> Spark's; the empty one is ISO 8601."""

TRIED = 1000
"""Values on which a form of time is tried; the whole column then goes by it or is refused where it lands."""

EPOCHS = (1e8, 5e9)
"""Numbers that are taken for seconds since 1970: from 1973 to 2128."""


@dataclass(frozen=True, kw_only=True)
class Time:
    """How a column's times are written, and whether they tell more than the day."""

    form: str
    of_day: bool


def kind(values: Sequence[str]) -> Kind:
    """The kind of a column's values, of which none is missing."""
    texts = pd.Series(values, dtype="object")
    if not len(texts):
        return "text"
    if texts.str.fullmatch(NUMBER).all() and not texts.str.fullmatch(PADDED).any():
        return "whole" if texts.str.fullmatch(WHOLE).all() else "number"
    return "time" if time(texts.tolist(), "text") else "text"


def time(values: Sequence[str], kind: Kind) -> Time | None:
    """How the values of a column of this kind are read as times; None: not at all."""
    if kind in ("whole", "number"):
        numbers = pd.to_numeric(pd.Series(values))
        return Time(form=EPOCH, of_day=True) if numbers.between(*EPOCHS).all() else None
    tried = list(values[:: max(1, len(values) // TRIED)])
    return next(_times(tried), None)


def _times(values: Sequence[str]) -> Iterator[Time]:
    for form in FORMS:
        if all(_reads(value, form) for value in values):
            of_day = "%H" in form if form else any(len(value) > len("2024-01-01") for value in values)
            yield Time(form=form, of_day=of_day)


def _reads(value: str, form: str) -> bool:
    if not form and not re.fullmatch(ISO, value):
        return False
    try:
        moment(value, form)
    except ValueError:
        return False
    return True
