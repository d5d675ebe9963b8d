"""The sample's pictures laid into the landing folder as two days' deliveries, the second with some damaged and repeated ones.

Standard library alone: set-up runs it before anything is installed.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"
DAYS = {"2024-03-01": ("train", "val"), "2024-03-02": ("test",)}
"""The splits that were delivered on a day."""

DAMAGED, REPEATED = 12, 2
"""Pictures of the second day's delivery that no longer are what they were, and those of the first day delivered again."""

SEED = 7
OTHERS = (b"GIF89a\x01\x00\x01\x00", b"%PDF-1.7\n", b"<html></html>", b"II*\0\x08\0\0\0", b"")
INPUTS = ("1", str(DAYS), str((DAMAGED, REPEATED, SEED)))


def landed(landing: Path) -> bool:
    """Whether every day has its folder."""
    return all((landing / "images" / f"ds={day}").is_dir() for day in DAYS)


def land(landing: Path, scratch: Path, *, python: Path) -> None:
    """Put a folder in VOC's layout a day below ``landing``; what stood there before is gone."""
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for day, splits in DAYS.items():
            deliver(scratch / day, splits)
        first, last = (scratch / day for day in (min(DAYS), max(DAYS)))
        for name, data in damaged(pictures(last), DAMAGED, SEED):
            (last / "JPEGImages" / name).write_bytes(data)
        for number, file in enumerate(pictures(first)[:REPEATED]):
            shutil.copyfile(file, last / "JPEGImages" / f"again_{number}{file.suffix}")
        for day in DAYS:
            target = landing / "images" / f"ds={day}"
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            (scratch / day).rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def deliver(folder: Path, splits: tuple[str, ...]) -> None:
    """Copy the pictures of some splits with their annotations, and the lists of these."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for split in splits:
        names = shutil.copyfile(*[of / "ImageSets" / "Main" / f"{split}.txt" for of in (SAMPLE, folder)]).read_text()
        for name in names.split():
            for file in (f"Annotations/{name}.xml", f"JPEGImages/{name}.jpg"):
                shutil.copyfile(SAMPLE / file, folder / file)


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in VOC's layout."""
    return sorted((folder / "JPEGImages").iterdir())


def damaged(files: list[Path], number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of that many pictures with bits flipped, with their ends cut off, or of another type, in turn."""
    chances = random.Random(seed)
    for count in range(number):
        data = chances.choice(files).read_bytes()
        yield f"damaged_{count:04d}.jpg", HARMS[count % len(HARMS)](data, chances)


def flipped(data: bytes, chances: random.Random) -> bytes:
    """Some bits of the picture's first kilobyte changed, where its structure is described, and some anywhere."""
    found = bytearray(data)
    for reach in [1024] * 8 + [len(data)] * 8:
        found[chances.randrange(min(reach, len(data)))] ^= 1 << chances.randrange(8)
    return bytes(found)


def truncated(data: bytes, chances: random.Random) -> bytes:
    return data[: chances.randrange(1, len(data) - 2)]


def retyped(data: bytes, chances: random.Random) -> bytes:
    """What begins as a file of another type, or nothing at all."""
    start = chances.choice(OTHERS)
    return start + data[len(start) :] if start else b""


HARMS = (flipped, truncated, retyped)
