"""The sample as two days' deliveries: every picture of it, some damaged by a seeded function, and the same each time."""

from collections import Counter
from pathlib import Path

import pytest

from apps.images import data
from apps.images.recipe import CLASSES
from features.pictures.decoding import decode
from features.pictures.headers import BadPicture
from features.pictures.voc import annotated


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("images")
    assert not data.landed(home / "landing")
    data.land(home / "landing", home / "scratch", python=Path("python3"))
    assert data.landed(home / "landing") and not (home / "scratch").exists()
    return home / "landing" / "images"


def test_each_day_is_a_folder_in_vocs_layout_with_the_pictures_of_its_splits(landing: Path) -> None:
    first, second = (annotated(landing / f"ds={day}") for day in data.DAYS)
    assert {name: len(names) for name, names in first.splits.items()} == {"train": 205, "val": 87}
    assert {name: len(names) for name, names in second.splits.items()} == {"test": 72}
    assert not first.refused and not second.refused
    assert {*first.labels()} == {*second.labels()} == {*CLASSES}


def test_the_second_day_brings_damaged_and_repeated_pictures(landing: Path) -> None:
    days = [data.pictures(landing / f"ds={day}") for day in data.DAYS]
    extra = [file for file in days[1] if not file.name.startswith("BloodImage")]
    assert Counter(file.name.partition("_")[0] for file in extra) == {"damaged": data.DAMAGED, "again": data.REPEATED}
    first = {file.read_bytes() for file in days[0]}
    assert all(file.read_bytes() in first for file in extra if file.name.startswith("again"))


def test_it_lands_the_same_each_time_and_over_what_was_there(landing: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "ds=2024-03-02" / "left over").mkdir(parents=True)
    data.land(tmp_path, tmp_path / "scratch", python=Path("python3"))
    day = [
        {file.relative_to(of): file.read_bytes() for file in of.rglob("*.jpg")} for of in (landing, tmp_path / "images")
    ]
    assert day[0] == day[1] and not (tmp_path / "images" / "ds=2024-03-02" / "left over").exists()


def test_most_damage_is_seen_and_none_of_it_breaks_the_decoder() -> None:
    found: Counter[str] = Counter()
    for _, picture in data.damaged(data.pictures(data.SAMPLE), 120, 3):
        try:
            found["decoded"] += decode(picture).ndim == 3
        except BadPicture as wrong:
            found[wrong.rule] += 1
    assert found.total() == 120
    assert found["decoded"] < 25  # flipped bits of a scan cannot be told from a picture
    assert {"truncated", "type", "empty", "corrupt"} <= found.keys()
