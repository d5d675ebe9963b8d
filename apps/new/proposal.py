"""What is proposed for an application of dated rows with a label of two values: from a profile, to be edited in what is made."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from apps.new.profile import Column, Profile, time_of
from apps.new.values import FORMS, Time
from infra.setup.by_day import EPOCH, moment

YES = ("1", "1.0", "yes", "y", "true", "t", "positive", "pos")
LISTED = 20
"""Different texts up to which a gate names those that it allows."""

RARE = 0.05
"""Share of positives below which members draw them several times, and few of the rest."""

STEPS = 1500
"""Steps of training that a member's epochs come to."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """The column to be foretold, and its two values as the table holds them."""

    column: Column
    positive: Any
    negative: Any
    share: float


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A rule for a day's rows: the function of infra.expectations that makes it, and its arguments as Python."""

    rule: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """All that the templates of a table's application are filled from."""

    app: str
    source: Profile
    label: Label
    time: Column | None
    form: Time | None
    days: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.source.columns

    @property
    def dates(self) -> bool:
        """Whether rows have a time of the day, and not the day alone."""
        return self.form is not None and self.form.of_day

    @property
    def gaps(self) -> tuple[str, ...]:
        """The days between the first and the last of which there are no rows."""
        first, last = date.fromisoformat(self.days[0]), date.fromisoformat(self.days[-1])
        every = (str(first + timedelta(days=number)) for number in range((last - first).days + 1))
        return tuple(day for day in every if day not in self.days)

    @property
    def moment(self) -> str:
        """The time of a row as SQL, from its column."""
        if self.time is None or self.form is None:
            return ""
        if self.form.form == EPOCH:
            return f"timestamp_seconds({self.time.name})"
        spark = FORMS[self.form.form]
        return f"try_to_timestamp({self.time.name}, '{spark}')" if spark else f"try_cast({self.time.name} AS TIMESTAMP)"

    @property
    def left_out(self) -> dict[str, str]:
        """Columns that are proposed as no features -> why."""
        return {each.name: why for each in self._offered if (why := unfit(each, self.source.rows))}

    @property
    def numbers(self) -> tuple[Column, ...]:
        return tuple(each for each in self._fit if each.kind in ("whole", "number"))

    @property
    def texts(self) -> tuple[Column, ...]:
        return tuple(each for each in self._fit if each.kind == "text")

    @property
    def lacking(self) -> tuple[Column, ...]:
        """The numbers that may be null."""
        return tuple(each for each in self.numbers if each.nulls)

    @property
    def skewed(self) -> tuple[Column, ...]:
        return tuple(each for each in self.numbers if each.skewed)

    @property
    def nullable(self) -> tuple[Column, ...]:
        others = (self.label.column, self.time)
        return tuple(each for each in self.columns if each.nulls and each not in others)

    @property
    def prepares(self) -> bool:
        """Whether features need a Spark ML Pipeline."""
        return bool(self.lacking or self.texts or self.skewed)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Ranges with a margin as wide as what was seen, the texts that were seen, and twice the nulls."""
        ranges = [Gate(rule="between", arguments=(each.name, *margin(each))) for each in self.numbers]
        texts = [each for each in self.texts if each.distinct <= LISTED]
        allowed = [Gate(rule="one_of", arguments=(each.name, sorted(each.values))) for each in texts]
        least = [(each.name, self._filled(each.nulls)) for each in self.nullable]
        return (*ranges, *allowed, *[Gate(rule="filled", arguments=each) for each in least if each[1] > 0])

    @property
    def typical(self) -> dict[str, str]:
        """A row for the tests: the middle number or the most frequent text of each column, on the first day."""
        day = {self.time.title: self._first_time()} if self.time else {}
        return {each.title: each.typical for each in self.columns} | day

    @property
    def neither(self) -> str:
        """A label that is none."""
        return next(each for each in ("7", "8", "9") if each not in self.label.column.values)

    @property
    def balance(self) -> tuple[float, float]:
        """The shares of positives in a day that are plausible."""
        share, spread = self.label.share, self._spread(self.label.share)
        return max(0.0, rounded(share / 2 - spread, down=True)), min(1.0, rounded(1.5 * share + spread, down=False))

    @property
    def draw(self) -> tuple[float, float]:
        """How often a member draws a positive, and with which chance a negative."""
        return (5.0, 0.25) if self.label.share < RARE else (1.0, 0.8)

    @property
    def batch(self) -> int:
        """A power of two, about a twentieth of the training rows."""
        return int(min(1024, max(16, 2 ** round(math.log2(max(1.0, self.source.rows * 0.6 / 20))))))

    @property
    def epochs(self) -> int:
        steps = max(1, round(self.source.rows * 0.6 / self.batch))
        return int(min(60, max(10, round(STEPS / steps))))

    def _first_time(self) -> str:
        """A time on the first day, as it is written."""
        if self.time is None or self.form is None:
            return ""
        found = self.source.present(self.time)
        return next(text for text in found if day_of(text, self.form.form) == self.days[0])

    @property
    def _offered(self) -> list[Column]:
        return [each for each in self.columns if each not in (self.label.column, self.time)]

    @property
    def _fit(self) -> list[Column]:
        return [each for each in self._offered if not unfit(each, self.source.rows)]

    def _filled(self, nulls: float) -> float:
        return max(0.0, rounded(1 - 2 * nulls - self._spread(nulls), down=True))

    def _spread(self, share: float) -> float:
        """Four standard deviations of a share in a day of the usual number of rows."""
        return 4 * math.sqrt(share * (1 - share) / max(1.0, self.source.rows / len(self.days)))


def propose(app: str, source: Profile, *, label: str, time: str, positive: str, day: str) -> Proposal:
    """Make the proposal, or refuse with the sentence that says what the data lack."""
    found = source.column(time, "--time") if time else None
    form = time_of(source, found) if found else None
    told = label_of(source, source.column(label, "--label"), positive)
    if found is told.column:
        raise ValueError(f"--label and --time must name two columns, got {label!r} for both")
    proposal = Proposal(app=app, source=source, label=told, time=found, form=form, days=days(source, found, form, day))
    if not (proposal.numbers or proposal.texts):
        raise ValueError(f"{source.source} must have a column beside label and time to learn from: {proposal.left_out}")
    return proposal


def label_of(source: Profile, column: Column, positive: str) -> Label:
    """The two values of the label: of two words, the one that says yes is the positive one, else the rarer one."""
    if column.distinct != 2:
        said = "a constant" if column.distinct == 1 else f"{column.distinct:,} different values"
        raise ValueError(f"--label must name a column of two values, got {column.title!r} with {said}")
    if positive and positive not in column.values:
        raise ValueError(f"--positive must be one of the label's values {list(column.values)}, got {positive!r}")
    usual, rarer = column.values
    yes = positive or next((each for each in column.values if each.lower() in YES), rarer)
    no = usual if yes == rarer else rarer
    present = source.present(column)
    return Label(
        column=column,
        positive=typed(yes, column),
        negative=typed(no, column),
        share=sum(each == yes for each in present) / len(present),
    )


def typed(text: str, column: Column) -> Any:
    """A value as the table holds it."""
    return {"whole": int, "number": float}.get(column.kind, str)(text)


def unfit(column: Column, rows: int) -> str:
    """Why a column is proposed as no feature; empty: it is one."""
    if column.distinct <= 1:
        return "the same everywhere" if column.distinct else "always empty"
    if column.counts:
        return "it counts the rows"
    if column.kind == "time":
        return "a time: make numbers of it, such as the days since then"
    if column.kind == "text" and not column.values:
        return f"{column.distinct:,} different texts: shorten or group them"
    return ""


def days(source: Profile, column: Column | None, form: Time | None, day: str) -> tuple[str, ...]:
    """The days that the rows fall on."""
    if source.partition:
        return source.days
    if column is None or form is None:
        return (day,)
    found = {day_of(text, form.form) for text in set(source.present(column))}
    return tuple(sorted(found - {""}))


def day_of(text: str, form: str) -> str:
    """The day of a time; nothing where it cannot be read, and is set aside where it lands."""
    try:
        return str(moment(text, form).date())
    except ValueError:
        return ""


def margin(column: Column) -> tuple[float, float]:
    """The range seen, and as much again on each side; never below zero where nothing was."""
    span = (column.high - column.low) or 1.0
    low = rounded(column.low - span, down=True)
    return (max(0.0, low) if column.low >= 0 else low), rounded(column.high + span, down=False)


def rounded(value: float, *, down: bool) -> float:
    """Two digits of a number, away from the range that it bounds."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    places = max(0, -math.floor(math.log10(step)))
    return round((math.floor if down else math.ceil)(value / step) * step, places)
