"""One picture with its annotation, judged: what is known of it, or the rule that it breaks and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features.pictures import voc
from features.pictures.decoding import decode
from features.pictures.headers import Limits, header
from features.pictures.voc import Annotation


class Refused(ValueError):
    """A picture that is not let in: ``rule`` names the rule that it breaks."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{rule}: {why}")
        self.rule = rule


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a picture that is let in; ``annotation`` is None for one that nobody has annotated."""

    kind: str
    width: int
    height: int
    split: str | None
    annotation: Annotation | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a picture must obey: it decodes within ``limits``, its sides are in a range, its objects are of ``classes``.

    A picture is in one of ``splits`` at most, and one that is in a split has an annotation.
    """

    classes: tuple[str, ...]
    splits: tuple[str, ...] = ("train", "val", "test")
    sides: tuple[int, int] = (32, 16_384)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"Rules.classes must be different names, at least one, got {self.classes}")
        if not 1 <= self.sides[0] <= self.sides[1]:
            raise ValueError(f"Rules.sides must be the least and the most dots of a side, got {self.sides}")

    def judged(self, name: str, picture: bytes | None, xml: bytes | None, splits: Sequence[str] = ()) -> Known:
        """What is known of the picture; ``Refused``, ``BadPicture`` or ``BadAnnotation`` where it breaks a rule."""
        height, width = decode(picture, self.limits).shape[:2]
        least, most = self.sides
        if not least <= min(width, height) <= max(width, height) <= most:
            raise Refused("size", f"a side must have {least} to {most:,} dots, this picture has {width} x {height}")
        found = None if xml is None else self._annotation(name, xml, width, height)
        split = self._split(splits)
        if split and found is None:
            raise Refused("no annotation", f"a picture in a split must have an annotation, {name} ({split}) has none")
        kind = header(picture, self.limits).kind
        return Known(kind=kind, width=width, height=height, split=split, annotation=found)

    def _annotation(self, name: str, xml: bytes, width: int, height: int) -> Annotation:
        found = voc.annotation(xml)
        if Path(found.picture).stem != Path(name).stem:
            raise Refused("no picture", f"an annotation's picture must be beside it, {name}'s names {found.picture}")
        if (found.width, found.height) != (width, height):
            says, got = f"{found.width} x {found.height}", f"{width} x {height}"
            raise Refused("size", f"a picture must be as large as its annotation says ({says}), it is {got}")
        if unknown := sorted({*found.labels} - {*self.classes}):
            raise Refused("class", f"objects must be of {', '.join(self.classes)}, got {', '.join(unknown)}")
        return found

    def _split(self, splits: Sequence[str]) -> str | None:
        found = sorted({*splits} & {*self.splits})
        if len(found) > 1:
            raise Refused("split", f"a picture must be in one split, this is in {' and '.join(found)}")
        return found[0] if found else None
