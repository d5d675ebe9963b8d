"""The splits of a folder's pictures: as lists or folders name them; those that nobody has named are dealt out by the pictures' contents.

Standard library alone, for set-up asks it before anything is installed.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}
"""The splits, and what part of the pictures each gets where nobody has named them."""

NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""How lists of a split, or folders of its pictures, are called -> the split."""

Named = Mapping[str, tuple[str, ...]]
"""Split -> the names of its pictures, without what follows the last dot."""


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The names in each split, and which splits were ``proposed``, for nobody had named a picture of them."""

    names: Named
    proposed: tuple[str, ...]


def named_in_lists(lists: Collection[Path], files: Collection[Path]) -> Named:
    """The names in lists of splits, as far as the files go by them; others as they stand."""
    stems, names = {file.stem for file in files}, dict[str, list[str]]()
    for file in lists:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        names.setdefault(NAMES[file.stem.lower()], []).extend(meant(line, stems) for line in lines if line.strip())
    return {split: tuple(dict.fromkeys(found)) for split, found in names.items()}


def meant(line: str, stems: Collection[str]) -> str:
    """The picture that a line of a list means: its name, its file, or by the first word, for a number may follow it."""
    whole, first = line.strip(), line.split()[0]
    known = (each for each in (whole, Path(whole).stem, first, Path(first).stem) if each in stems)
    return next(known, whole)


def named_by_folders(pictures: Collection[Path], folder: Path) -> Named:
    """The names of pictures that stand in a folder named by a split."""
    names: dict[str, list[str]] = {}
    for file in pictures:
        for part in file.relative_to(folder).parts[:-1]:
            if split := NAMES.get(part.lower()):
                names.setdefault(split, []).append(file.stem)
    return {split: tuple(dict.fromkeys(found)) for split, found in names.items()}


def splits(listed: Named, annotated: Sequence[Path]) -> Splits:
    """Every split with its names; one that nobody has named gets its share of train's annotated pictures, else of those in no split."""
    proposed = tuple(split for split in SHARES if not listed.get(split))
    if not proposed:
        return Splits(names={split: listed[split] for split in SHARES}, proposed=())
    train = {*listed.get("train", ())}
    others = {name for split, names in listed.items() if split != "train" for name in names}
    free = {file.stem: file for file in reversed(annotated) if file.stem not in others}
    drawn = dealt(
        {content(file): name for name, file in free.items() if not train or name in train},
        {split: SHARES[split] for split in SHARES if split == "train" or split in proposed},
    )
    return Splits(names={split: drawn.get(split) or listed[split] for split in SHARES}, proposed=proposed)


def content(file: Path) -> str:
    """By what equal pictures are known."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def dealt(names: Mapping[str, str], shares: Mapping[str, float]) -> Named:
    """Of names by content: in the order of contents each split gets its share of them, and one at least."""
    if len(names) < len(shares):
        wanted = f"{', '.join(shares)} must get an annotated picture each"
        raise ValueError(f"{wanted}, got {len(names)} different pictures that are not in another split")
    ordered, rest = [names[each] for each in sorted(names)], sum(shares.values())
    found: dict[str, tuple[str, ...]] = {}
    for left, (split, share) in zip(range(len(shares) - 1, -1, -1), shares.items(), strict=True):
        count = min(max(1, round(len(ordered) * share / rest)), len(ordered) - left)
        found[split], ordered, rest = tuple(sorted(ordered[:count])), ordered[count:], rest - share
    return found
