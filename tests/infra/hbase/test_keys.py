import random
from collections import Counter

import pytest

from infra.hbase.keys import EVERYTHING, Range, Salting, Selection, dated, merged

KEYS = [dated(f"2024-03-{day:02d}", f"picture-{number}.jpg").encode() for day in range(1, 11) for number in range(200)]


def test_a_days_keys_are_spread_over_the_salts_and_stay_together_below_each() -> None:
    salting = Salting(1)
    stored = sorted(map(salting.stored, KEYS))
    assert sorted(map(salting.plain, stored)) == sorted(KEYS)
    day = salting.ranges([Range.of_prefix(b"2024-03-04|")])
    assert len(day) == 16
    found = [[key for key in stored if key in span] for span in day]
    assert sorted(salting.plain(key) for keys in found for key in keys) == sorted(k for k in KEYS if b"03-04" in k)
    assert all(4 <= len(keys) <= 30 for keys in found)


def test_the_salt_of_a_key_is_the_same_everywhere() -> None:
    assert Salting(1).stored(b"2024-03-01|a.jpg") == b"b|2024-03-01|a.jpg"
    assert Salting(2).stored(b"2024-03-01|a.jpg") == b"4b|2024-03-01|a.jpg"
    assert Salting(0).stored(b"2024-03-01|a.jpg") == b"2024-03-01|a.jpg"


@pytest.mark.parametrize("digits", [0, 1, 2])
def test_the_stored_ranges_of_everything_hold_every_key_once(digits: int) -> None:
    salting = Salting(digits)
    spans = salting.ranges(EVERYTHING.ranges)
    assert all(sum(salting.stored(key) in span for span in spans) == 1 for key in KEYS)


def test_pieces_of_a_range_hold_each_key_once() -> None:
    draw = random.Random(3)
    keys = [draw.randbytes(draw.randint(1, 6)) for _ in range(500)]
    for span in (Range(), Range(b"a"), Range(b"", b"\x07"), Range(b"ab", b"ac"), Range(b"\xff\xff")):
        for parts in (1, 2, 5, 16):
            pieces = span.cut(parts)
            assert len(pieces) <= parts
            assert [sum(key in piece for piece in pieces) for key in keys] == [int(key in span) for key in keys]
    assert min(Counter(next(n for n, p in enumerate(Range().cut(4)) if key in p) for key in keys).values()) > 80


def test_merged_ranges_hold_the_same_keys_and_each_once() -> None:
    draw = random.Random(5)
    keys = [bytes([one]) for one in range(256)]
    for _ in range(200):
        ranges = [
            Range(bytes([draw.randrange(256)]), draw.choice([b"", bytes([draw.randrange(256)])])) for _ in range(4)
        ]
        joined = merged(ranges)
        for key in keys:
            assert sum(key in span for span in joined) == int(any(key in span for span in ranges))


def test_a_prefix_is_the_range_of_all_keys_that_begin_with_it() -> None:
    assert Range.of_prefix(b"ab") == Range(b"ab", b"ac")
    assert Range.of_prefix(b"a\xff\xff") == Range(b"a\xff\xff", b"b")
    assert Range.of_prefix(b"\xff") == Range(b"\xff", b"")
    assert Range.of_prefix(b"") == Range()


def test_a_selection_narrows_and_never_widens() -> None:
    some = EVERYTHING.within([Range.of_prefix(b"a"), Range.of_prefix(b"ab"), Range.of_prefix(b"c")])
    assert some.ranges == (Range(b"a", b"b"), Range(b"c", b"d"))
    assert some.within([Range(b"b")]).ranges == (Range(b"c", b"d"),)
    assert some.within([Range(b"e")]).ranges == ()
    assert some.points() is None
    assert some.only([b"a1", b"b1"]).points() == [b"a1"]
    assert some.only([b"a1"]).only([b"c1"]).points() == []
    assert Selection().only([b""]).points() == []


def test_keys_that_cannot_be_are_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="must be YYYY-MM-DD, got '20240301'"):
        dated("20240301", "a.jpg")
    with pytest.raises(ValueError, match="needs a name after its day"):
        dated("2024-03-01", "")
    with pytest.raises(ValueError, match="must not be empty"):
        Salting(1).stored(b"")
    with pytest.raises(ValueError, match="0, 1 or 2 hex digits"):
        Salting(3)
