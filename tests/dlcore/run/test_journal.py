"""A run has one owner: the driver that claimed it last; whoever comes too late finds out and does no harm."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

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


@pytest.fixture
def heedless() -> Iterator[str]:
    """A server that takes S3's protocol and knows no conditions."""
    served = DomainDispatcherApplication(create_backend_app)

    def without_conditions(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return served(environ, start)

    server = make_server("127.0.0.1", 0, without_conditions, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"endpoint_override=127.0.0.1:{server.port}&scheme=http&region=us-east-1"
    server.shutdown()


def test_a_store_that_lets_a_file_be_created_twice_is_refused(heedless: str) -> None:
    folder = Folder.of(f"s3://me:secret@heedless/run?{heedless}&allow_bucket_creation=true")
    folder.system.create_dir("heedless")
    with pytest.raises(ValueError, match=r"s3://heedless/run let the claim of this driver be created twice"):
        Journal(folder).claim()
