"""What a folder of annotated pictures holds: each judged by the rules of the load step, whose classes and sides are not proposed yet."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from features.pictures import voc
from features.pictures.headers import BadPicture
from features.pictures.voc import BadAnnotation
from infra.setup.annotated import Found
from infra.setup.splits import SHARES, Splits
from pipelines.pictures.intake.judging import Known, Refused, Rules

ANY_SIDE = (1, 2**31)
NO_SPLIT = "none"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The pictures by file name that can be used, and why each other file is going to be quarantined."""

    usable: Mapping[str, Known]
    refused: Sequence[str]
    splits: Splits
    left_out: Mapping[str, int]

    @property
    def classes(self) -> Mapping[str, int]:
        """Objects by class, the classes sorted."""
        return dict(sorted(objects(self.usable.values()).items()))

    @property
    def sides(self) -> tuple[int, int]:
        """The least and the largest side."""
        found = [side for known in self.usable.values() for side in (known.width, known.height)]
        return min(found), max(found)

    @property
    def short(self) -> int:
        """The shorter side of a picture in the middle of all."""
        return round(median(min(known.width, known.height) for known in self.usable.values()))

    @property
    def most(self) -> int:
        """Objects of the picture that has most."""
        return max(sum(objects([known]).values()) for known in self.usable.values())

    @property
    def bare(self) -> int:
        """Pictures that nobody has annotated."""
        return sum(known.annotation is None for known in self.usable.values())

    @property
    def by_split(self) -> Mapping[str, Sequence[Known]]:
        """The pictures of each split, and of none."""
        found: dict[str, list[Known]] = {split: [] for split in SHARES}
        for known in self.usable.values():
            found.setdefault(known.split or NO_SPLIT, []).append(known)
        return found

    @property
    def rules(self) -> Mapping[str, tuple[int, str]]:
        """The rules that are broken: by how many, and one of the reasons."""
        counts = Counter(reason.partition(":")[0] for reason in self.refused)
        examples = {reason.partition(":")[0]: reason for reason in reversed(self.refused)}
        return {rule: (count, examples[rule]) for rule, count in sorted(counts.items())}


def objects(pictures: Iterable[Known]) -> Counter[str]:
    """How many objects of each class are in pictures."""
    return Counter(label for known in pictures if known.annotation for label in known.annotation.labels)


def judged(found: Found, where: Path) -> Judged:
    """Judge every file; a folder from which no detector can be trained is refused."""
    splits, usable, refused = found.splits, dict[str, Known](), list[str]()
    annotations, contents = {file.stem: file for file in reversed(found.annotations)}, dict[bytes, str]()
    members = {split: {*names} for split, names in splits.names.items()}
    for file in found.pictures:
        try:
            named = [split for split, names in members.items() if file.stem in names]
            known = picture(file, annotations.get(file.stem), named)
            once(file, usable, contents)
        except (BadPicture, BadAnnotation, Refused) as wrong:
            refused.append(str(wrong))
        else:
            usable[file.name] = known
    refused += alone(found, splits)
    result = Judged(usable=usable, refused=refused, splits=splits, left_out=found.left_out)
    refuse(result, where)
    return result


def picture(file: Path, annotation: Path | None, splits: Sequence[str]) -> Known:
    """What the load step will know of a picture, or its reason against it."""
    xml = annotation.read_bytes() if annotation else None
    labels = {*voc.annotation(xml).labels} if xml is not None else set[str]()
    rules = Rules(classes=tuple(sorted(labels)) or ("any",), sides=ANY_SIDE)
    return rules.judged(file.name, file.read_bytes(), xml, splits)


def once(file: Path, usable: Mapping[str, Known], contents: dict[bytes, str]) -> None:
    """A name and a content are one picture's."""
    if file.name in usable:
        raise Refused("name", f"a name must be one picture's, another file is called {file.name}, too")
    first = contents.setdefault(hashlib.sha256(file.read_bytes()).digest(), file.name)
    if first != file.name:
        raise Refused("duplicate", f"a picture must be new, {file.name} has the bytes of {first}")


def alone(found: Found, splits: Splits) -> Iterator[str]:
    """Annotations, and names in lists, that have no picture."""
    pictures, seen = {file.stem for file in found.pictures}, set[str]()
    for file in found.annotations:
        if file.stem in seen:
            yield f"name: an annotation's name must be its own, another one is called {file.name}, too"
        elif file.stem not in pictures:
            yield f"no picture: an annotation must have its picture, {file.name} has none"
        seen.add(file.stem)
    for name in sorted({name for names in splits.names.values() for name in names} - pictures - seen):
        yield f"no picture: a name in a split must have its picture, {name} has none"


def refuse(found: Judged, where: Path) -> None:
    """A detector needs objects in every split."""
    why = "; ".join(f"{count:,} refused, {reason}" for count, reason in found.rules.values())
    if not found.classes:
        raise ValueError(f"{where} must have a picture with an annotated object, got none: {why or 'no objects'}")
    for split in SHARES:
        if not objects(found.by_split[split]):
            raise ValueError(f"the split {split} must have a picture with an object, got none: {why or 'no objects'}")
