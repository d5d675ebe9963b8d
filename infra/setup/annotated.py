"""A folder of annotated pictures laid into the landing folder as one day's delivery: what an app's ``data.py`` says to bring its first.

Standard library alone, for set-up asks it before anything is installed. Nothing is decoded here: a picture that cannot be used lands
too, and the load step says why.
"""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.setup.splits import NAMES, Named, Splits, named_by_folders, named_in_lists, splits

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""How names of pictures end; of those that are neither JPEG nor PNG the load step says so."""


class Unusable(ValueError):
    """The folder is none of annotated pictures."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a folder: pictures and annotations in the order of their paths, and the names that lists or folders have in splits.

    ``left_out`` says by why how many others stay where they are.
    """

    pictures: tuple[Path, ...]
    annotations: tuple[Path, ...]
    listed: Named
    left_out: Mapping[str, int]

    @property
    def annotated(self) -> tuple[Path, ...]:
        """The pictures that have an annotation of their name."""
        stems = {file.stem for file in self.annotations}
        return tuple(file for file in self.pictures if file.stem in stems)

    @property
    def splits(self) -> Splits:
        return splits(self.listed, self.annotated)


@dataclass(frozen=True, kw_only=True)
class AnnotatedFolder:
    """Pictures of ``folder`` and all below it with annotations like VOC's, beside them or in VOC's layout, below ``app``/ds=``day``.

    An annotation is its picture's by their names without what follows the last dot. Splits are lists as VOC has them, or folders
    named train, val and test.
    """

    folder: Path
    app: str
    day: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (repr(self),)

    def landed(self, landing: Path) -> bool:
        """Whether there are days already, or no folder to make one of: on another machine, days are delivered otherwise."""
        return any((landing / self.app).glob("ds=*")) or not self.folder.exists()

    def land(self, landing: Path, scratch: Path, *, python: Path | None = None) -> None:
        """Put the day below ``landing`` in VOC's layout, whole at once; ``python`` is what set-up gives, and is not needed."""
        found, target = self.found(), landing / self.app / f"ds={self.day}"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            copy(found.pictures, scratch / "JPEGImages")
            copy(found.annotations, scratch / "Annotations")
            write(found.splits.names, scratch / "ImageSets" / "Main")
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def found(self) -> Found:
        """What is in the folder; one without pictures or annotations is refused."""
        if not self.folder.is_dir():
            raise Unusable(f"pictures must be in a folder, got {self.folder}")
        home, found, left_out = home_of(self.folder), dict[str, list[Path]](), Counter[str]()
        for file in sorted(filter(Path.is_file, self.folder.rglob("*")), key=Path.as_posix):
            if why := unfit(file, self.folder, home):
                left_out[why] += 1
            else:
                found.setdefault(kind(file), []).append(file)
        lists, pictures, annotations = (found.get(each, []) for each in ("list", "picture", "annotation"))
        if not pictures or not annotations:
            got = f"{len(pictures):,} pictures and {len(annotations):,} annotations"
            raise Unusable(f"{self.folder} must hold pictures ({' '.join(PICTURES)}) and annotations (.xml), got {got}")
        return Found(
            pictures=tuple(pictures),
            annotations=tuple(annotations),
            listed=named_in_lists(lists, [*pictures, *annotations]) or named_by_folders(pictures, self.folder),
            left_out=left_out,
        )


def home_of(folder: Path) -> Path | None:
    """The folder in VOC's layout, which may stand below the one that is given; None: pictures and annotations are anywhere."""
    homes = sorted(each.parent for each in folder.rglob("Annotations") if (each.parent / "JPEGImages").is_dir())
    if len(homes) > 1:
        raise Unusable(f"{folder} must hold one folder in VOC's layout, got {', '.join(map(str, homes))}; name one")
    return homes[0] if homes else None


def kind(file: Path) -> str:
    """What a file is by its name: a picture, an annotation, the list of a split, or nothing."""
    end = file.suffix.lower()
    if end == ".txt" and file.stem.lower() in NAMES:
        return "list"
    return "annotation" if end == ".xml" else "picture" if end in PICTURES else ""


def unfit(file: Path, folder: Path, home: Path | None) -> str:
    """Why a file of ``folder`` is left where it is; empty: it is not. In VOC's layout masks are called like their pictures."""
    if any(part.startswith((".", "_")) for part in file.relative_to(folder).parts):
        return "names that begin with a dot or _, which Spark does not read; rename them"
    if not (what := kind(file)):
        return f"files that end in {file.suffix}" if file.suffix else "files whose names have no end"
    if what == "list":
        base = home or folder
        at_home = file.parent in (base, base / "ImageSets", base / "ImageSets" / "Main")
        return "" if at_home else "lists that are not in ImageSets/Main"
    place = home / ("Annotations" if what == "annotation" else "JPEGImages") if home else folder
    return "" if file.is_relative_to(place) else f"files that end in {file.suffix}, outside of {place.name}"


def copy(files: Collection[Path], into: Path) -> None:
    """Copy files with the folders that they stand in, from where these part."""
    start = os.path.commonpath([file.parent for file in files])
    for file in files:
        target = into / file.relative_to(start)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def write(names: Named, into: Path) -> None:
    """Write the lists of the splits."""
    into.mkdir(parents=True)
    for split, found in names.items():
        (into / f"{split}.txt").write_text("".join(f"{name}\n" for name in found), encoding="utf-8")
