"""Which columns of a table play which part: said once by an app, and read by every step."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Roles:
    """``key`` names a row, ``time`` puts rows in order, ``label`` is 1 for a positive and 0 for a negative.

    ``time`` is a number of seconds, a date or a timestamp. ``value`` is what a missed positive costs; without one, each costs 1.
    ``entity``, a whole number, is who or what acts in several rows, a card say: what is looked at day by day.
    """

    key: tuple[str, ...]
    time: str
    label: str
    value: str = ""
    entity: str = ""

    def __post_init__(self) -> None:
        if not (self.key and self.time and self.label):
            raise ValueError(f"Roles needs a key, a time and a label, got {self}")

    @property
    def order(self) -> tuple[str, ...]:
        """The columns by which rows have one order: by time, and by key within one time."""
        return (self.time, *[name for name in self.key if name != self.time])

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that go with a row's probability."""
        given = [name for name in (self.value, self.entity) if name]
        return tuple(dict.fromkeys([*self.key, self.label, self.time, *given]))


@dataclass(frozen=True, kw_only=True)
class Words:
    """Positives and negatives, in the plural, as the report says them."""

    positives: str = "positives"
    negatives: str = "negatives"
