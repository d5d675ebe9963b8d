"""What a step adds to the report: a heading with text, figures, tables, plots and pictures, as plain values that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Figure = Mapping[str, Any]
"""A Plotly figure as plain JSON; a colour may be a role (``@own``, ``@second``, ...) that the page fills in."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One figure to look at first, with what to hold it against."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph, its first words strong if given."""

    text: str
    strong: str = ""
    kind: Literal["text"] = "text"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure under its title; those of one title in one section are drawn as one, the traces of all in its first's layout."""

    title: str
    figure: Figure
    half: bool = True
    kind: Literal["plot"] = "plot"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's title, and how it is set: text, code or a number."""

    title: str
    style: Literal["text", "code", "number", "warning"] = "text"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row: a text a column; ``best`` holds the places of cells to mark, ``own`` marks the whole line."""

    cells: tuple[str, ...]
    best: tuple[int, ...] = ()
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table of text; a ``folded`` one shows only its title until it is opened."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    title: str = ""
    half: bool = False
    folded: bool = False
    kind: Literal["listing"] = "listing"

    def __post_init__(self) -> None:
        if any(len(line.cells) != len(self.columns) for line in self.lines):
            raise ValueError(f"each line of {self.title!r} needs {len(self.columns)} cells, one a column")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Many short values by name, in as many columns as fit."""

    title: str
    values: Mapping[str, str]
    note: str = ""
    kind: Literal["pairs"] = "pairs"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture as an address that holds it (``data:``; empty: there is nothing to see), what it is called, and what is said of it."""

    picture: str
    caption: str
    note: str = ""
    bad: bool = False

    def __post_init__(self) -> None:
        if self.picture and not self.picture.startswith("data:image/"):
            raise ValueError(
                f"the picture of {self.caption!r} must be in the page (data:image/...), got {self.picture[:40]!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Pictures side by side; ``legend`` is what a colour drawn in them stands for, by name."""

    title: str
    tiles: tuple[Tile, ...]
    note: str = ""
    legend: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["grid"] = "grid"


Part = Text | Plot | Listing | Pairs | Grid


@dataclass(frozen=True, kw_only=True)
class Section:
    """Part of the page under a heading. Sections of one heading, of whatever steps, are one; a lower ``place`` comes first."""

    heading: str
    place: int
    text: str = ""
    cards: tuple[Card, ...] = ()
    parts: tuple[Part, ...] = ()


def merged(sections: Sequence[Section]) -> list[Section]:
    """One section a heading, in the order of their places; what several give stands one after the other."""
    together: dict[str, list[Section]] = {}
    for section in sections:
        together.setdefault(section.heading, []).append(section)
    found = [
        Section(
            heading=heading,
            place=min(each.place for each in same),
            text=" ".join(dict.fromkeys(each.text for each in same if each.text)),
            cards=tuple(card for each in same for card in each.cards),
            parts=tuple(_drawn_together([part for each in same for part in each.parts])),
        )
        for heading, same in together.items()
    ]
    return sorted(found, key=lambda section: section.place)


def _drawn_together(parts: Sequence[Part]) -> list[Part]:
    """The parts, but the plots of one title as one."""
    found: dict[object, Part] = {}
    for at, part in enumerate(parts):
        name = ("plot", part.title) if isinstance(part, Plot) else at
        before = found.get(name)
        found[name] = _joined(before, part) if isinstance(before, Plot) and isinstance(part, Plot) else part
    return list(found.values())


def _joined(first: Plot, second: Plot) -> Plot:
    data = [*first.figure["data"], *second.figure["data"]]
    return Plot(title=first.title, half=first.half, figure={**first.figure, "data": data})


def slug(heading: str) -> str:
    """A heading as the id of its place in the page."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in heading.lower()).split())
