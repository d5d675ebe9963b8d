"""A run has one owner: the driver that claimed it last; whoever comes too late finds out and does no harm."""

import os
import threading
from pathlib import Path

import pytest

from dlcore.run.journal import Journal, LostRun
from dlcore.storage.folder import Folder


def test_each_claim_is_later_than_all_before_it(tmp_path: Path) -> None:
    journal, claims, together = Journal(Folder(str(tmp_path))), list[int](), threading.Barrier(6)

    def claim() -> None:
        together.wait()
        claims.append(journal.claim())

    drivers = [threading.Thread(target=claim) for _ in range(6)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert len(set(claims)) == 6
    assert max(claims) == max(journal.numbers())


def test_a_driver_whose_next_number_is_taken_has_lost_the_run(tmp_path: Path) -> None:
    journal = Journal(Folder(str(tmp_path)))
    first = journal.claim()
    journal.add(first + 1, {"step": 10})
    journal.refuse_lost(first + 2)
    second = journal.claim()
    assert second == first + 2
    said = rf"was taken over by process {os.getpid()} on .*, at 20.*counts for nothing"
    with pytest.raises(LostRun, match=said):
        journal.add(first + 2, {"step": 20})
    with pytest.raises(LostRun, match=said):
        journal.refuse_lost(first + 2)
    journal.add(second + 1, {"step": 20})
    assert [journal.read(number).get("step") for number in journal.numbers()] == [None, 10, None, 20]


def test_what_was_broken_off_goes_and_what_others_make_stays(tmp_path: Path) -> None:
    journal = Journal(Folder(str(tmp_path)))
    for name in ("000000001.json.0123abcd", "000000009.json.0123abcd"):
        (tmp_path / name).touch()
    journal.clear(before=5)
    assert journal.folder.names() == ["000000009.json.0123abcd"]
    assert journal.numbers() == []
