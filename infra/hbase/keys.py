"""Row keys: a salt from a hash, then what the caller knows the row by, such as its day and name; and ranges of keys.

Keys that follow a calendar would all land in one region; the salt spreads each day evenly, and still leaves the day's rows
together below each salt. All here is arithmetic on bytes; callers see keys without their salt.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

BAR = b"|"


def dated(day: str, name: str) -> str:
    """The key of a picture: its day, then its name."""
    if date.fromisoformat(day).isoformat() != day:
        raise ValueError(f"the day of a key must be YYYY-MM-DD, got {day!r}")
    if not name:
        raise ValueError(f"a key needs a name after its day, got none for {day}")
    return f"{day}|{name}"


@dataclass(frozen=True)
class Range:
    """Keys from ``start`` up to and without ``stop``; an empty ``stop`` is the end of the table."""

    start: bytes = b""
    stop: bytes = b""

    @classmethod
    def of_prefix(cls, prefix: bytes) -> "Range":
        """Every key that begins with ``prefix``."""
        kept = prefix.rstrip(b"\xff")
        return cls(prefix, kept[:-1] + bytes([kept[-1] + 1]) if kept else b"")

    def __contains__(self, key: bytes) -> bool:
        return self.start <= key and (not self.stop or key < self.stop)

    def __bool__(self) -> bool:
        """Whether there can be a key in it."""
        return not self.stop or self.start < self.stop

    def __and__(self, other: "Range") -> "Range":
        """The keys in both; an empty range where there are none."""
        stops = [stop for stop in (self.stop, other.stop) if stop]
        both = Range(max(self.start, other.start), min(stops, default=b""))
        return both if both else Range(both.start, both.start)

    def cut(self, parts: int) -> list["Range"]:
        """The range in at most ``parts`` pieces of equal width in the space of keys, which is of equal size if keys are even."""
        width = max(len(self.start), len(self.stop)) + 4
        low = int.from_bytes(self.start.ljust(width, b"\0"))
        high = int.from_bytes(self.stop.ljust(width, b"\0")) if self.stop else 256**width
        inner = [(low + (high - low) * number // parts).to_bytes(width) for number in range(1, parts)]
        bounds = [self.start, *inner, self.stop]
        return [piece for piece in map(Range, bounds, bounds[1:]) if piece]


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same keys in order and each once, where ranges overlap or touch."""
    done: list[Range] = []
    for new in sorted(filter(None, ranges), key=lambda one: (one.start, one.stop)):
        if done and (not done[-1].stop or new.start <= done[-1].stop):
            last = done.pop()
            new = Range(last.start, max(last.stop, new.stop) if last.stop and new.stop else b"")
        done.append(new)
    return tuple(done)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows of a table are wanted, by keys without salt: those of ``ranges``, or of them only ``keys`` where these are given."""

    ranges: tuple[Range, ...] = (Range(),)
    keys: frozenset[bytes] | None = None

    def within(self, ranges: Iterable[Range]) -> "Selection":
        """Of these rows, the ones in any of ``ranges``."""
        wanted = list(ranges)
        return Selection(ranges=merged(one & other for one in self.ranges for other in wanted), keys=self.keys)

    def only(self, keys: Iterable[bytes]) -> "Selection":
        """Of these rows, the ones with any of ``keys``."""
        wanted = frozenset(keys)
        return Selection(ranges=self.ranges, keys=wanted if self.keys is None else self.keys & wanted)

    def points(self) -> list[bytes] | None:
        """The keys to get one by one, or None where ranges are to be scanned."""
        if self.keys is None:
            return None
        return sorted(key for key in self.keys if key and any(key in one for one in self.ranges))


@dataclass(frozen=True)
class Salting:
    """How stored keys begin: with ``digits`` hex digits from the key's hash and a bar, or, with 0, with the key itself."""

    digits: int = 1

    def __post_init__(self) -> None:
        if self.digits not in (0, 1, 2):
            raise ValueError(f"a salt has 0, 1 or 2 hex digits (1, 16 or 256 salts), got {self.digits}")

    def stored(self, key: bytes) -> bytes:
        """The key as it is in HBase."""
        if not key:
            raise ValueError("a row key must not be empty")
        return self._salt(zlib.crc32(key) % 16**self.digits) + key

    def plain(self, stored: bytes) -> bytes:
        """The key as its caller knows it."""
        return stored[self._width :]

    def ranges(self, selected: Iterable[Range]) -> tuple[Range, ...]:
        """The stored keys of ``selected``: one range a salt for each."""
        spans = list(selected)
        if not self.digits:
            return merged(spans)
        return merged(self._below(self._salt(number), span) for number in range(16**self.digits) for span in spans)

    @property
    def _width(self) -> int:
        return self.digits + len(BAR) if self.digits else 0

    def _salt(self, number: int) -> bytes:
        return f"{number:0{self.digits}x}".encode() + BAR if self.digits else b""

    @staticmethod
    def _below(salt: bytes, span: Range) -> Range:
        return Range(salt + span.start, salt + span.stop if span.stop else Range.of_prefix(salt).stop)


SALTED = Salting()
EVERYTHING = Selection()
