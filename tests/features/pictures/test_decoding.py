"""Every picture is decoded as a viewer shows it, or refused by a rule; 1,000 damaged ones are all accounted for."""

import io
import struct
import zlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from features.pictures.boxes import boxes
from features.pictures.decoding import decode
from features.pictures.headers import PNG, BadPicture, Limits, header
from features.pictures.orientations import EIGHT, orientations

FILES = sorted((Path(__file__).parents[3] / "apps" / "images" / "sample" / "JPEGImages").glob("*.jpg"))
CELLS = np.asarray(Image.open(FILES[0]).resize((96, 64)))
"""Red, green, blue, as Pillow has it: the other door to the same files."""


def encoded(picture: Image.Image | np.ndarray, form: str, **how: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    kept = io.BytesIO()
    image.save(kept, form, **how)
    return kept.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, content: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def rule(data: bytes | None, limits: Limits | None = None) -> str:
    with pytest.raises(BadPicture) as refused:
        decode(data, limits)
    assert str(refused.value).startswith(f"{refused.value.rule}: ")
    return refused.value.rule


def test_the_sample_is_decoded() -> None:
    for file in FILES[::40]:
        data = file.read_bytes()
        assert np.array_equal(decode(data), np.asarray(cv2.imread(str(file))))
        assert header(data).shown == (640, 480)


GREY = Image.fromarray(CELLS).convert("L")
DEEP = (np.asarray(GREY).astype(np.uint16) << 8) + 200
CLEAR = np.dstack([CELLS, np.full(CELLS.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (encoded(GREY, "JPEG", quality=100), np.asarray(GREY.convert("RGB"))),
        (encoded(GREY, "PNG"), np.asarray(GREY.convert("RGB"))),
        (encoded(GREY.convert("1"), "PNG"), np.asarray(GREY.convert("1").convert("RGB"))),
        (encoded(Image.fromarray(CELLS).convert("CMYK"), "JPEG", quality=100), CELLS),
        (encoded(CELLS, "JPEG", quality=100, subsampling=0, progressive=True), CELLS),
        (encoded(CELLS, "JPEG", quality=100, subsampling=0) + b"\0" * 50, CELLS),
        (encoded(Image.fromarray(CELLS).convert("P"), "PNG"), np.asarray(Image.fromarray(CELLS).convert("P").convert("RGB"))),
        (cv2.imencode(".png", DEEP)[1].tobytes(), np.asarray(GREY.convert("RGB"))),
        (cv2.imencode(".png", np.dstack([DEEP] * 3 + [DEEP * 0 + 65535]))[1].tobytes(), np.asarray(GREY.convert("RGB"))),
        (encoded(CLEAR, "PNG"), CELLS),
        (encoded(CLEAR * np.array([1, 1, 1, 0], np.uint8), "PNG"), CELLS * 0 + 255),
        (encoded(GREY, "PNG", transparency=5), np.asarray(GREY.convert("RGB"))),
        (encoded(CELLS, "PNG", save_all=True, append_images=[Image.fromarray(255 - CELLS)]), CELLS),
    ],
    ids=["grey", "grey-png", "one-bit", "cmyk", "progressive", "trailing", "palette", "16-bit", "16-bit-alpha", "opaque",
         "transparent", "grey-key", "animated"],
)  # fmt: skip
def test_every_kind_comes_out_as_a_viewer_shows_it(data: bytes, shown: np.ndarray) -> None:
    found = decode(data)
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    apart = np.abs(found[..., ::-1].astype(int) - shown)
    assert apart.mean() < 2 and np.percentile(apart, 99) <= 12


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("asked", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(form: str, asked: int) -> None:
    exif = Image.Exif()
    exif[274] = asked
    data = encoded(CELLS, form, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        shown = ImageOps.exif_transpose(stored).convert("RGB")
    found = decode(data)
    assert header(data).shown == shown.size == found.shape[1::-1]
    assert np.abs(found[..., ::-1].astype(int) - np.asarray(shown)).mean() < 1.5


def test_exif_that_makes_no_sense_says_nothing() -> None:
    whole = encoded(CELLS, "JPEG", exif=Image.Exif())
    for tiff in (
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff\x01\x12",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
    ):
        exif = b"Exif\0\0" + tiff
        data = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:]
        assert decode(data).shape == CELLS.shape


JPEG = encoded(CELLS, "JPEG")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"hello", "type"),
        (encoded(Image.fromarray(CELLS).convert("P"), "GIF"), "type"),
        (encoded(CELLS, "BMP"), "type"),
        (encoded(CELLS, "TIFF"), "type"),
        (encoded(CELLS, "WEBP"), "type"),
        (b"<html></html>", "type"),
        (JPEG[:2] + b"\xff" * 70_000 + JPEG[2:300], "truncated"),
        (JPEG[:1], "truncated"),
        (JPEG[:2], "truncated"),
        (JPEG[:300], "truncated"),
        (JPEG[:-1], "truncated"),
        (JPEG[:2] + JPEG[-2:], "corrupt"),
        (PNG, "truncated"),
        (png(20, 20, b"\0" * 61 * 20)[:-3], "truncated"),
        (png(20, 20, b"\0" * 61 * 20).replace(b"IHDR\0\0\0\x14", b"IHDR\0\0\0\x15"), "corrupt"),
        (png(20, 20, b"\0" * 100), "corrupt"),
        (png(0, 20), "corrupt"),
        (PNG + chunk(b"IEND", b""), "corrupt"),
        (png(60_000, 60_000), "large"),
        (png(2**31 - 1, 2**31 - 1), "large"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08\0\x40\0\x60", b"\xff\xc0\0\x11\x08\xff\xff\xff\xff"), "large"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08\0\x40\0\x60", b"\xff\xc0\0\x11\x08\0\0\0\x60"), "corrupt"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "variant"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08"), "variant"),
        (JPEG[:-2] + JPEG[JPEG.index(b"\xff\xc0"):], "corrupt"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value or b'')}-bytes",
)  # fmt: skip
def test_what_is_no_whole_picture_is_refused_by_a_rule(data: bytes | None, why: str) -> None:
    assert rule(data) == why


def test_limits_are_those_given() -> None:
    assert rule(JPEG, Limits(dots=96 * 64 - 1)) == "large" and decode(JPEG, Limits(dots=96 * 64)).shape == (64, 96, 3)
    assert rule(JPEG, Limits(bytes=len(JPEG) - 1)) == "large"
    progressive = encoded(CELLS, "JPEG", progressive=True)
    assert rule(progressive, Limits(scans=3)) == "large"


def test_texts_that_inflate_are_left_out() -> None:
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(b"\0" * 50_000_000))
    data = encoded(CELLS, "PNG")
    assert np.array_equal(decode(data[:33] + bomb + data[33:])[..., ::-1], CELLS)


def damaged(draw: np.random.Generator, data: bytes) -> bytes:
    """Bits flipped, cut off, cut out, bytes overwritten, or of another type."""
    kind, cells = int(draw.integers(6)), np.frombuffer(data, np.uint8).copy()
    at = int(draw.integers(len(data)))
    if kind == 0:
        cells[draw.integers(0, len(data), draw.integers(1, 20))] ^= np.uint8(1 << draw.integers(8))
    elif kind == 1:
        cells[draw.integers(0, 600, draw.integers(1, 4))] ^= np.uint8(1 << draw.integers(8))
    elif kind == 2:
        return data[:at]
    elif kind == 3:
        return data[:at] + data[at + int(draw.integers(1, 2000)) :]
    elif kind == 4:
        cells[at : at + 64] = draw.integers(0, 256, len(cells[at : at + 64]))
    else:
        picture = Image.open(io.BytesIO(data)).resize((64, 48))
        return encoded(picture, ["GIF", "TIFF", "BMP", "WEBP", "PPM"][int(draw.integers(5))])
    return cells.tobytes()


def test_a_thousand_damaged_pictures_are_decoded_or_refused() -> None:
    counts: Counter[str] = Counter()
    for number in range(1000):
        draw = np.random.default_rng([9, number])
        data = FILES[number % len(FILES)].read_bytes()
        if number % 4 == 0:
            data = encoded(Image.open(io.BytesIO(data)).resize((160, 120)), "PNG")
        try:
            found = decode(damaged(draw, data))
        except BadPicture as refused:
            assert len(str(refused)) > 30
            counts[refused.rule] += 1
        else:
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
            counts["decoded"] += 1
    assert counts.total() == 1000
    assert counts["type"] > 100 and counts["truncated"] > 100 and counts["corrupt"] > 100 and counts["decoded"] > 100, (
        counts
    )


def test_eight_orientations_are_exact() -> None:
    canvas = np.zeros((30, 50, 3), np.uint8)
    canvas[4:10, 7:30] = (9, 0, 0)
    canvas[4, 7] = (9, 1, 0)
    seen = set()
    for pixels, moved in orientations(canvas, boxes([[7, 4, 30, 10]])):
        down, across = np.nonzero(pixels[..., 0] == 9)
        assert moved.tolist() == [[across.min(), down.min(), across.max() + 1, down.max() + 1]]
        seen.add((pixels.shape, pixels.tobytes()))
    assert len(seen) == len(EIGHT) == 8 and np.array_equal(orientations(canvas, boxes([]))[0][0], canvas)
