"""What is not what its name says is refused with a sentence that names it, before a row of it is read."""

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.dated.inspection import File, files
from pipelines.dated.landing import Landing
from pipelines.dated.source import BadDelivery

HEADER = ["id", "name"]
TEXT = b"id,name\n" + b"".join(b"%d,row %d of them\n" % (number, number * 7919) for number in range(20_000))
UNREADABLE = Path("/sys/bus/clockevents/drivers_probe")  # nobody may read it, not even root


def packed(change: Callable[[bytearray], object]) -> bytes:
    content = bytearray(gzip.compress(TEXT))
    change(content)
    return bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A landing folder with one good file."""
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "good.csv").write_bytes(TEXT)
    return tmp_path / "day"


def read(spark: SparkSession, folder: Path) -> None:
    Landing(root=str(folder.parent), folder=folder.name).read(spark, HEADER)


WRONG: dict[str, tuple[bytes, str]] = {
    "plain.csv.gz": (TEXT, "is not gzip, as its name says; rename it"),
    "packed.csv": (gzip.compress(TEXT), "is gzip, not CSV; rename it"),
    "truncated.csv.gz": (gzip.compress(TEXT)[:-2000], "is truncated or damaged (java.io.EOFException"),
    "without-end.csv.gz": (gzip.compress(TEXT)[:-8], "is truncated or damaged (java.io.EOFException"),
    "damaged.csv.gz": (
        packed(lambda content: content.__setitem__(slice(900, 960), bytes(60))),
        "is truncated or damaged",
    ),
    "columnar.csv": (b"PAR1" + bytes(40) + b"PAR1", "is Parquet, not CSV; rename it"),
    "twice.csv.gz": (gzip.compress(gzip.compress(TEXT)), "is gzip, not CSV; rename it"),
    "half.parquet": (b"PAR1" + bytes(4000), "is not whole Parquet: it must begin and end with PAR1; deliver it again"),
    "short.parquet": (b"PA", "is not whole Parquet"),
    "wide.csv": (TEXT.decode().encode("utf-16"), "is UTF-16, or no text at all; deliver it again in UTF-8"),
    "wide-without-mark.csv": (TEXT.decode().encode("utf-16-le"), "is UTF-16, or no text at all"),
    "wide.csv.gz": (gzip.compress(TEXT.decode().encode("utf-16")), "is UTF-16, or no text at all"),
    "a*.csv": (TEXT, "has * in its name, which stands for other names; rename it"),
    "goo[d].csv": (TEXT, "has [ ] in its name"),
    "12:30.csv": (TEXT, "has : in its name"),
    "notes.txt": (TEXT, "must be a file whose name ends in one of ('.csv', '.csv.gz', '.parquet'); move it elsewhere"),
    "none.csv": (b"", "is empty, without even a header; deliver it again"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_not_what_its_name_says_is_refused(spark: SparkSession, folder: Path, name: str) -> None:
    content, says = WRONG[name]
    (folder / name).write_bytes(content)
    with pytest.raises(BadDelivery, match=re.escape(f"landing file {folder}/{name} {says}")):
        read(spark, folder)


@pytest.mark.parametrize("target", ["nowhere.csv", "link.csv", "."], ids=["dangles", "loops", "leads to its folder"])
def test_a_link_that_leads_nowhere_is_refused(spark: SparkSession, folder: Path, target: str) -> None:
    (folder / "link.csv").symlink_to(target)
    with pytest.raises(BadDelivery, match=r"link.csv is a link that leads nowhere; deliver the file itself"):
        read(spark, folder)


def test_a_file_that_may_not_be_read_is_refused(spark: SparkSession, folder: Path) -> None:
    if os.geteuid() and not UNREADABLE.exists():
        (folder / "secret.csv").touch(mode=0)
    elif UNREADABLE.exists():
        (folder / "secret.csv").symlink_to(UNREADABLE)
    else:
        pytest.skip(f"root may read every file, and there is no {UNREADABLE}; run it as another user")
    with pytest.raises(BadDelivery, match=r"secret.csv may not be read by this user; correct its rights"):
        read(spark, folder)


def test_parquet_damaged_within_is_refused(spark: SparkSession, folder: Path) -> None:
    spark.range(20_000).selectExpr("id", "cast(id * 7919 as string) name").coalesce(1).write.parquet(f"{folder}/_aside")
    (part,) = (folder / "_aside").glob("part-*.parquet")
    content = bytearray(part.read_bytes())
    content[200:600] = bytes(400)
    (folder / "rows.parquet").write_bytes(content)
    with pytest.raises(BadDelivery, match=r"rows.parquet is damaged: it cannot be read as Parquet; deliver it again"):
        read(spark, folder)


def test_a_line_beyond_measure_is_refused_with_little_memory(spark: SparkSession, folder: Path) -> None:
    """200 MB without a line's end, plain and packed: the session's heap could not hold it."""
    for name, opened in (("long.csv", open), ("long.csv.gz", gzip.open)):
        with opened(folder / name, "wb") as file:
            file.write(b"id,name\n1,")
            for _ in range(200):
                file.write(b"x" * 1_000_000)
            file.write(b"\n2,b\n")
        with pytest.raises(BadDelivery, match=rf"day/{name} has a line of more than 1,048,576 bytes"):
            read(spark, folder)
        (folder / name).unlink()


def test_a_line_just_too_long_is_refused_wherever_it_stands(spark: SparkSession, folder: Path) -> None:
    for content in (b"1," + b"x" * 2**20, TEXT[8:] + b"1," + b"x" * 2**20 + b"\n"):
        (folder / "long.csv").write_bytes(b"id,name\n" + content)
        with pytest.raises(BadDelivery, match="has a line of more than"):
            read(spark, folder)


def test_sound_files_are_told_with_the_bytes_of_their_text(spark: SparkSession, folder: Path) -> None:
    (folder / "packed.csv.gz").write_bytes(gzip.compress(TEXT[:900]) + gzip.compress(TEXT[900:]))
    (folder / "_SUCCESS").touch()
    assert files(spark, str(folder)) == [
        File(name="good.csv", size=len(TEXT)),
        File(name="packed.csv.gz", size=len(TEXT)),
    ]
