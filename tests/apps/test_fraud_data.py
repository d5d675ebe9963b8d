import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.fraud import data
from infra.settings import load

HEADER = b'"Time","V1","Class"\n'
LINES = [HEADER, b'0,-1.5,"0"\n', b'86399,2,"0"\n', b'86400,1e-3,"1"\n', b'1e+05,3,"0"\n', b'172792,4,"0"']


def delivered() -> Iterator[bytes]:
    folder = Path(load().landing) / "fraud"
    for number, day in enumerate(data.DAYS):
        with (folder / f"ds={day}" / "transactions.csv").open("rb") as lines:
            yield from lines if number == 0 else list(lines)[1:]


def test_lines_go_untouched_to_the_file_of_their_day_below_the_header(tmp_path: Path) -> None:
    data.split(iter(LINES), tmp_path)
    assert (tmp_path / "2013-09-01").read_bytes() == b"".join(LINES[:3])
    assert (tmp_path / "2013-09-02").read_bytes() == HEADER + b"".join(LINES[3:])


def test_the_landed_files_together_are_the_published_file() -> None:
    digest = hashlib.md5()
    for line in delivered():
        digest.update(line)
    assert digest.hexdigest() == data.MD5


def test_other_transactions_than_the_published_ones_are_refused_and_not_kept(
    tmp_path: Path, changed_wheel: Path
) -> None:
    landing, scratch = tmp_path / "landing", tmp_path / "download"
    with pytest.raises(data.Damaged, match=f"must have md5 {data.MD5}, got"):
        data.land(landing, scratch, python=load().state / "tools" / "bin" / "python")
    assert not scratch.exists()
    assert not landing.exists()
