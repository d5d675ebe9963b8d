"""What the bytes of a JPEG or PNG say before anything is decoded: size, orientation, and whether they are whole.

A picture that is refused says by which rule, so that refusals can be counted, and why in a sentence.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from features.pictures.orientations import Orientation

Rule = Literal["empty", "type", "truncated", "corrupt", "large", "variant"]
JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"RIFF": "a WebP or another RIFF file",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP",
    b"\x1f\x8b": "gzip data",
    b"<": "a text of tags (HTML, SVG, XML)",
}
EXIF: dict[int, Orientation] = {
    1: Orientation(),
    2: Orientation(mirrored=True),
    3: Orientation(2),
    4: Orientation(2, mirrored=True),
    5: Orientation(1, mirrored=True),
    6: Orientation(3),
    7: Orientation(3, mirrored=True),
    8: Orientation(1),
}
"""What EXIF's tag 274 asks a viewer to do, by its value."""
NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""In a JPEG's scan 0xFF is followed by 0 or a restart; by anything else at the scan's end. It begins with one byte, so it is fast."""
START, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
OTHER_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}
END, SCAN, APP1 = 0xD9, 0xDA, 0xE1
ALONE = {0x01, *range(0xD0, 0xD8)}


class BadPicture(ValueError):
    """A picture that is refused: ``rule`` names the rule that it breaks."""

    def __init__(self, rule: Rule, why: str) -> None:
        super().__init__(f"{rule}: {why}")
        self.rule = rule


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large a picture may be: dots decoded, bytes encoded, and scans of a progressive JPEG, each a pass over all dots."""

    dots: int = 50_000_000
    bytes: int = 64 * 2**20
    scans: int = 100


@dataclass(frozen=True, kw_only=True)
class Header:
    """``width`` and ``height`` as stored; ``shown`` is the size as a viewer shows the picture. ``data`` is what there is to decode."""

    kind: Literal["jpeg", "png"]
    width: int
    height: int
    orientation: Orientation
    alpha: bool
    data: bytes

    @property
    def shown(self) -> tuple[int, int]:
        return self.orientation.size(self.width, self.height)


def header(data: bytes | None, limits: Limits | None = None) -> Header:
    """The header of a whole picture within ``limits``; others are refused. Nothing is decoded, however large the picture says it is."""
    limits = limits or Limits()
    if not data:
        raise BadPicture("empty", "a picture must have bytes, got none")
    if len(data) > limits.bytes:
        raise BadPicture("large", f"a picture must have at most {limits.bytes:,} bytes, got {len(data):,}")
    found = _read(data, limits)
    if found.width < 1 or found.height < 1:
        raise BadPicture(
            "corrupt", f"a picture must have at least one dot, its header says {found.width} x {found.height}"
        )
    if found.width * found.height > limits.dots:
        size = f"{found.width} x {found.height}"
        raise BadPicture("large", f"a picture must have at most {limits.dots:,} dots, its header says {size}")
    return found


def _read(data: bytes, limits: Limits) -> Header:
    if data.startswith(JPEG):
        return _jpeg(data, limits.scans)
    if data.startswith(PNG):
        return _png(data)
    if PNG.startswith(data[:8]) or data == JPEG[:1]:
        raise BadPicture("truncated", f"it ends after {len(data)} bytes, within its signature")
    kind = next(
        (name for start, name in OTHERS.items() if data.startswith(start)), f"unknown ({data[:8].hex(' ')} ...)"
    )
    raise BadPicture("type", f"a picture must be a JPEG or a PNG, this is {kind}")


def _jpeg(data: bytes, most_scans: int) -> Header:
    """Follows the markers from the first to the end of the picture; what is behind it is nobody's."""
    at, scans, frame, orientation = len(JPEG), 0, None, Orientation()
    while True:
        marker, at = _marker(data, at)
        if marker == END:
            break
        if marker in ALONE:
            continue
        segment = _segment(data, at)
        at += 2 + len(segment)
        if marker in (START, EXTENDED, PROGRESSIVE):
            if frame:
                raise BadPicture("corrupt", "a JPEG must have one frame, this has a second one")
            frame = _frame(segment)
        elif marker in OTHER_FRAMES:
            raise BadPicture("variant", f"a JPEG must be baseline or progressive, this is of frame type {marker:#x}")
        elif marker == APP1 and segment.startswith(b"Exif\0\0"):
            orientation = _orientation(segment[6:])
        elif marker == SCAN:
            at, scans = _scan_end(data, at), scans + 1
            if not frame:
                raise BadPicture("corrupt", "a JPEG's frame must come before its scans")
            if scans > most_scans:
                raise BadPicture("large", f"a JPEG must have at most {most_scans} scans, this has more")
    if not frame or not scans:
        raise BadPicture("corrupt", "a JPEG must have a frame and a scan before its end, this has not")
    return Header(kind="jpeg", width=frame[0], height=frame[1], orientation=orientation, alpha=False, data=data)


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker that is here, after any number of 0xFF, and where it ends."""
    while data[at : at + 2] == b"\xff\xff":
        at += 1
    if at + 2 > len(data):
        raise BadPicture("truncated", f"a JPEG must end with its end marker, this ends after {len(data)} bytes without")
    if data[at] != 0xFF or data[at + 1] in (0x00, *range(0x02, 0xC0)):
        raise BadPicture("corrupt", f"a JPEG's segments must follow each other, at byte {at} is no marker")
    return data[at + 1], at + 2


def _segment(data: bytes, at: int) -> bytes:
    if at + 2 > len(data):
        raise BadPicture("truncated", f"it ends within a segment, after {len(data)} bytes")
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 2:
        raise BadPicture("corrupt", f"a JPEG's segment must have a length of at least 2, at byte {at} it is {length}")
    if at + length > len(data):
        raise BadPicture("truncated", f"the segment at byte {at} is {length} bytes long, the picture ends before")
    return data[at + 2 : at + length]


def _frame(segment: bytes) -> tuple[int, int]:
    """Width and height."""
    if len(segment) < 6:
        raise BadPicture("corrupt", f"a JPEG's frame must have 6 bytes at least, got {len(segment)}")
    precision, height, width, components = struct.unpack(">BHHB", segment[:6])
    if precision != 8 or components not in (1, 3, 4):
        got = f"{components} channels of {precision} bits"
        raise BadPicture("variant", f"a JPEG must have 1, 3 or 4 channels of 8 bits, this says {got}")
    return width, height


def _scan_end(data: bytes, at: int) -> int:
    found = NEXT_MARKER.search(data, at)
    if not found:
        raise BadPicture(
            "truncated", f"a JPEG's scan must end with a marker, this ends after {len(data)} bytes without"
        )
    return found.end() - 2


def _png(data: bytes) -> Header:
    """Follows the chunks and their checksums; what is to be decoded has no text, profile or animation, which may inflate to any size."""
    at, kept, kinds = len(PNG), [PNG], set[bytes]()
    first, orientation = b"", Orientation()
    while b"IEND" not in kinds:
        kind, content = _chunk(data, at)
        if not kinds and (kind != b"IHDR" or len(content) != 13):
            raise BadPicture("corrupt", "a PNG must begin with a header of 13 bytes, this does not")
        first = first or content
        orientation = _orientation(content) if kind == b"eXIf" else orientation
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at : at + 12 + len(content)])
        kinds.add(kind)
        at += 12 + len(content)
    if b"IDAT" not in kinds:
        raise BadPicture("corrupt", "a PNG must have data before its end, this has none")
    width, height, _, colour = struct.unpack(">IIBB", first[:10])
    alpha = colour in (4, 6) or b"tRNS" in kinds
    return Header(kind="png", width=width, height=height, orientation=orientation, alpha=alpha, data=b"".join(kept))


def _chunk(data: bytes, at: int) -> tuple[bytes, bytes]:
    """Kind and content of the chunk that begins here."""
    if at + 12 > len(data):
        raise BadPicture("truncated", f"a PNG must end with its end chunk, this ends after {len(data)} bytes without")
    length, kind = struct.unpack(">I4s", data[at : at + 8])
    end = at + 8 + length
    if end + 4 > len(data):
        raise BadPicture("truncated", f"the chunk at byte {at} is {length} bytes long, the picture ends before")
    if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
        raise BadPicture("corrupt", f"a PNG's chunks must have their checksum, the one at byte {at} has not")
    return kind, data[at + 8 : end]


def _orientation(tiff: bytes) -> Orientation:
    """EXIF's; data that make no sense say nothing, as in every viewer."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return Orientation()
    (at,) = struct.unpack(order + "I", tiff[4:8])
    count = struct.unpack(order + "H", tiff[at : at + 2])[0] if at + 2 <= len(tiff) else 0
    entries = [tiff[at + 2 + 12 * number : at + 14 + 12 * number] for number in range(min(count, 200))]
    values = [struct.unpack(order + "HHIHH", entry)[:4] for entry in entries if len(entry) == 12]
    asked = [value for tag, form, _, value in values if (tag, form) == (274, 3)]
    return EXIF.get(asked[0], Orientation()) if asked else Orientation()
