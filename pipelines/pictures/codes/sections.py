"""What the report shows of codes: how good look-alikes are by each method, and some objects with those found for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.pictures.decoding import decode
from features.pictures.rendering import Pixels
from pipelines.pictures.drawing import address, jpeg
from pipelines.section import Column, Grid, Line, Listing, Section, Tile

HEADING = "Look-alikes"
GAP = 6
"""Dots between an object and its look-alikes in a picture."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """An object as a small JPEG, and what was found for it, nearest first: class, distance in bits, small JPEG."""

    label: str
    picture: bytes
    found: Sequence[tuple[str, int, bytes]]


def learned(figures: Mapping[str, float], bits: int, among: int) -> Section:
    """Mean average precision by method, DeepBit's marked."""
    columns = (
        Column(title=f"Codes of {bits} bits"),
        Column(title=f"Mean average precision at {among}", style="number"),
    )
    lines = tuple(Line(cells=(name, f"{value:.4f}"), own=name == "DeepBit") for name, value in figures.items())
    return Section(
        heading=HEADING,
        place=35,
        text="Objects of test pictures are searched for among those of training pictures; one of the same class is right. "
        "All methods have the same features, and none was told a class.",
        parts=(Listing(columns=columns, lines=lines),),
    )


def look_alikes(queries: Sequence[Query]) -> Section:
    """Each object in front, its look-alikes behind it."""
    tiles = tuple(
        Tile(
            picture=address(jpeg(_side_by_side([query.picture, *[picture for _, _, picture in query.found]]))),
            caption=query.label,
            note=", ".join(f"{label} {distance}" for label, distance, _ in query.found),
        )
        for query in queries
    )
    grid = Grid(
        title="Some objects, and those most like them", tiles=tiles, note="The distance is in bits of the code."
    )
    return Section(heading=HEADING, place=35, parts=(grid,))


def _side_by_side(pictures: Sequence[bytes]) -> Pixels:
    """The first, a gap, and the others."""
    seen = [decode(each) for each in pictures]
    gap = np.full((seen[0].shape[0], GAP, 3), 255, np.uint8)
    return np.hstack([seen[0], gap, *seen[1:]])
