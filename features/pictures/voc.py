"""Pascal VOC: annotations in XML beside their pictures, and splits by name; what is wrong is refused or dropped by a rule, and counted.

Corners are taken as they stand, as pixels' edges: VOC itself counts from 1 and includes the last pixel, its annotation tools mostly do not,
and no file says which. A box is so at most one pixel off.
"""

import math
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from features.pictures.boxes import Boxes, boxes
from features.pictures.headers import BadPicture, header

Rule = Literal["no area", "outside", "structure", "doctype", "no annotation", "no picture", "bad picture", "size"]
CORNERS = ("xmin", "ymin", "xmax", "ymax")
MOST_BYTES = 10_000_000


class BadAnnotation(ValueError):
    """An annotation, or an object in one, that is refused: ``rule`` names the rule that it breaks."""

    def __init__(self, rule: Rule, why: str) -> None:
        super().__init__(f"{rule}: {why}")
        self.rule: Rule = rule


@dataclass(frozen=True, kw_only=True)
class Object:
    """``box`` is (left, top, right, bottom); a ``difficult`` one does not count in VOC's metric."""

    label: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What a picture of this file name and size shows, and the objects that were dropped for their boxes."""

    picture: str
    width: int
    height: int
    objects: tuple[Object, ...]
    dropped: tuple[BadAnnotation, ...] = ()

    @property
    def boxes(self) -> Boxes:
        return boxes([each.box for each in self.objects])

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(each.label for each in self.objects)

    @property
    def difficult(self) -> tuple[bool, ...]:
        return tuple(each.difficult for each in self.objects)


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """A folder's annotations by name, why others were refused, and the names in each split."""

    annotations: dict[str, Annotation]
    refused: dict[str, BadAnnotation]
    splits: dict[str, tuple[str, ...]]

    def split(self, name: str) -> dict[str, Annotation]:
        """The annotations of a split, without those that were refused."""
        if name not in self.splits:
            raise ValueError(f"a split must be one of {sorted(self.splits)}, got {name!r}")
        return {each: self.annotations[each] for each in self.splits[name] if each in self.annotations}

    def labels(self) -> Counter[str]:
        """How many objects of each class there are."""
        return Counter(label for each in self.annotations.values() for label in each.labels)

    def losses(self) -> Counter[str]:
        """How many objects were dropped and how many annotations refused, by rule."""
        dropped = [wrong.rule for each in self.annotations.values() for wrong in each.dropped]
        return Counter([*dropped, *(wrong.rule for wrong in self.refused.values())])


def annotated(folder: Path) -> Annotated:
    """All of ``Annotations``, with the pictures that they name in ``JPEGImages``, and the splits of ``ImageSets/Main``."""
    if not (folder / "Annotations").is_dir():
        raise ValueError(f"a folder in VOC's layout must have a folder Annotations, {folder} has none")
    files = {file.stem: file for file in sorted((folder / "Annotations").glob("*.xml"))}
    splits = {file.stem: _names(file, files) for file in sorted((folder / "ImageSets" / "Main").glob("*.txt"))}
    read: dict[str, Annotation] = {}
    refused: dict[str, BadAnnotation] = {}
    for name in sorted({*files, *(each for names in splits.values() for each in names)}):
        try:
            read[name] = _read(name, files.get(name), folder / "JPEGImages")
        except BadAnnotation as wrong:
            refused[name] = wrong
    return Annotated(annotations=read, refused=refused, splits=splits)


def annotation(xml: bytes) -> Annotation:
    """One annotation; objects whose box has no area or is not inside of the picture are dropped."""
    root = _parsed(xml)
    if root.tag != "annotation":
        raise BadAnnotation("structure", f"the root must be <annotation>, got <{root.tag}>")
    picture = _text(root, "filename")
    if Path(picture).name != picture or "\\" in picture:
        raise BadAnnotation("structure", f"<filename> must be a file's name without a folder, got {picture!r}")
    width, height = (round(_number(root, f"size/{side}")) for side in ("width", "height"))
    if width < 1 or height < 1:
        raise BadAnnotation("structure", f"<size> must be at least 1 x 1, got {width} x {height}")
    found = [_judged(each, width, height) for each in map(_object, root.findall("object"))]
    return Annotation(
        picture=picture,
        width=width,
        height=height,
        objects=tuple(each for each in found if isinstance(each, Object)),
        dropped=tuple(each for each in found if isinstance(each, BadAnnotation)),
    )


def _read(name: str, file: Path | None, pictures: Path) -> Annotation:
    if file is None:
        raise BadAnnotation("no annotation", f"a name in a split must have an annotation, {name} has none")
    found = annotation(file.read_bytes())
    if not (pictures / found.picture).is_file():
        raise BadAnnotation("no picture", f"an annotation's picture must be there, {name} names {found.picture}")
    try:
        shown = header((pictures / found.picture).read_bytes()).shown
    except BadPicture as wrong:
        raise BadAnnotation("bad picture", f"{found.picture} is refused: {wrong}") from wrong
    if shown != (found.width, found.height):
        says, got = f"{found.width} x {found.height}", f"{shown[0]} x {shown[1]}"
        raise BadAnnotation("size", f"{found.picture} must be as large as its annotation says ({says}), it is {got}")
    return found


def _names(file: Path, known: Container[str]) -> tuple[str, ...]:
    """Each line, or its first word where it is no known name: a class's own lists have 1 or -1 behind it."""
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    return tuple(line if line in known else line.split()[0] for line in lines)


class _Plain(TreeBuilder):
    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Entities, which expand to any size or read files, can be declared here alone."""
        raise BadAnnotation("doctype", f"an annotation must have no document type, this has one ({name})")


def _parsed(xml: bytes) -> Element:
    if len(xml) > MOST_BYTES:
        raise BadAnnotation("structure", f"an annotation must have at most {MOST_BYTES:,} bytes, got {len(xml):,}")
    parser = XMLParser(target=_Plain())
    try:
        parser.feed(xml)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, BadAnnotation):
            raise
        raise BadAnnotation("structure", f"an annotation must be XML: {error}") from error
    return root


def _text(element: Element, path: str) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise BadAnnotation("structure", f"<{element.tag}> must have <{path}> with a text, this has none")
    return text


def _number(element: Element, path: str) -> float:
    text = _text(element, path)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadAnnotation("structure", f"<{path}> must be a number, got {text!r}")
    return number


def _object(element: Element) -> Object:
    left, top, right, bottom = (_number(element, f"bndbox/{corner}") for corner in CORNERS)
    difficult = (element.findtext("difficult") or "0").strip()
    if difficult not in ("0", "1"):
        raise BadAnnotation("structure", f"<difficult> must be 0 or 1, got {difficult!r}")
    return Object(label=_text(element, "name"), box=(left, top, right, bottom), difficult=difficult == "1")


def _judged(each: Object, width: int, height: int) -> Object | BadAnnotation:
    left, top, right, bottom = each.box
    if right <= left or bottom <= top:
        return BadAnnotation("no area", f"a box must have an area, this {each.label}'s has none: {each.box}")
    if left < 0 or top < 0 or right > width or bottom > height:
        where = f"{width} x {height}"
        return BadAnnotation(
            "outside", f"a box must be inside of its picture ({where}), this {each.label}'s is {each.box}"
        )
    return each
