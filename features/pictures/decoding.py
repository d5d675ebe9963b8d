"""Bytes to a picture: decoded as a viewer would show it, or refused with the rule that it breaks.

A picture comes out upright (EXIF's orientation is applied, so boxes are those of the picture as shown), as three channels of bytes:
grey and CMYK are converted, of 16 bits the upper 8 stay, and what is transparent shows white. Corruption of a JPEG's scan that leaves
its structure whole cannot be told from a picture (a JPEG has no checksum): it is decoded, with whatever it shows.
"""

import cv2
import numpy as np

from features.pictures.headers import BadPicture, Header, Limits, header
from features.pictures.rendering import Pixels

WHITE = 255


def decode(data: bytes | None, limits: Limits | None = None) -> Pixels:
    """[height, width, 3] bytes, or ``BadPicture``."""
    found = header(data, limits)
    pixels = _decoded(found)
    if pixels.shape[:2] != (found.height, found.width):
        says, got = f"{found.width} x {found.height}", f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise BadPicture("corrupt", f"a picture must be as large as its header says ({says}), decoded it is {got}")
    return found.orientation.pixels(_on_white(pixels) if found.alpha else pixels)


def _decoded(found: Header) -> Pixels:
    flags = cv2.IMREAD_UNCHANGED if found.alpha else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    what = f"this {found.kind} of {found.width} x {found.height}"
    try:
        pixels = cv2.imdecode(np.frombuffer(found.data, np.uint8), flags)
    except cv2.error as error:
        # OpenCV has limits of its own (OPENCV_IO_MAX_IMAGE_PIXELS, _WIDTH, _HEIGHT), which may be tighter than ours.
        raise BadPicture("corrupt", f"OpenCV refuses {what}: {error.err or error}") from error
    if pixels is None:
        raise BadPicture("corrupt", f"a picture must decode, OpenCV cannot decode {what}")
    return pixels


def _on_white(pixels: Pixels) -> Pixels:
    """What shows of a picture with alpha on a white page, [height, width, 3]."""
    pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.shape[2] == 3:
        return pixels
    weight = pixels[..., 3].astype(np.float32) / 255
    colours = np.ascontiguousarray(pixels[..., :3])
    return cv2.blendLinear(colours, np.full_like(colours, WHITE), weight, 1 - weight)
