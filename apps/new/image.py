"""The kind of application that finds objects in pictures: what is proposed for it from a folder, and its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apps.new.folder import Judged, objects
from apps.new.proposal import rounded
from apps.new.rendering import rendered
from infra.setup.annotated import AnnotatedFolder
from infra.setup.splits import SHARES

SHORT = (300, 480)
"""Dots of the shorter side of prepared pictures, between what the detector sees and what is worth decoding again and again."""

BOXES = 100
"""Boxes of a picture that are no bound where fewer are seen."""

PASSES = 2500
"""Pictures that a training sees, each as often as there are epochs: 12 epochs of 205 are enough for cells."""

EPOCHS, BATCHES = (6, 60), (8, 16, 32)
BITS = (16, 32, 64)
STEPS = 6
"""Steps that an epoch is to have, so that a small folder gets a small batch."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """All that the templates of a detector's application are filled from."""

    source: AnnotatedFolder
    found: Judged

    @property
    def app(self) -> str:
        return self.source.app

    @property
    def day(self) -> str:
        return self.source.day

    @property
    def classes(self) -> list[str]:
        return [*self.found.classes]

    @property
    def sides(self) -> tuple[int, int]:
        """Half of the least side seen, twice the largest."""
        least, largest = self.found.sides
        return max(1, int(rounded(least / 2, down=True))), int(rounded(largest * 2, down=False))

    @property
    def short(self) -> int:
        return min(max(self.found.short, SHORT[0]), SHORT[1])

    @property
    def most(self) -> int:
        """Twice the boxes of the picture that has most."""
        return max(BOXES, int(rounded(self.found.most * 2, down=False)))

    @property
    def trained(self) -> int:
        """Pictures of the split train."""
        return len(self.found.by_split["train"])

    @property
    def batch(self) -> int:
        return max((size for size in BATCHES if size * STEPS <= self.trained), default=BATCHES[0])

    @property
    def epochs(self) -> int:
        return min(max(round(PASSES / self.trained), EPOCHS[0]), EPOCHS[1])

    @property
    def bits(self) -> int:
        """Of a code: fewer than there are objects to learn from."""
        count = objects(self.found.by_split["train"]).total()
        return max((bits for bits in BITS if bits < count), default=BITS[0])

    @property
    def table(self) -> Sequence[Sequence[str]]:
        """Pictures and objects of each class, a line a split."""
        rows: Mapping[str, Sequence[object]] = {
            split: (len(pictures), *(objects(pictures)[label] for label in self.classes))
            for split, pictures in self.found.by_split.items()
        }
        return [[split, *(f"{count:,}" for count in counts)] for split, counts in rows.items()]


def files(proposal: Proposal) -> dict[str, str]:
    """Every file of the application, by its path in the repository."""
    title = f"Objects in pictures: {proposal.app.replace('_', ' ')}"
    return rendered("image", paths(proposal.app), {"p": proposal, "title": title})


def paths(app: str) -> dict[str, str]:
    """Each file -> its template."""
    return {
        f"apps/{app}/__init__.py": "init.py.j2",
        f"apps/{app}/data.py": "data.py.j2",
        f"apps/{app}/recipe.py": "recipe.py.j2",
        f"apps/{app}/params.json": "params.json.j2",
        f"apps/{app}/README.md": "README.md.j2",
        f"dags/{app}_daily.py": "daily.py.j2",
        f"dags/{app}_training.py": "training.py.j2",
        f"tests/apps/{app}/test_pictures.py": "test.py.j2",
    }


def told(proposal: Proposal) -> Iterator[str]:
    """What was found in the folder, a sentence a line."""
    found = proposal.found
    least, largest = found.sides
    counts = ", ".join(f"{name} {count:,}" for name, count in found.classes.items())
    yield f"{len(found.usable):,} pictures with sides of {least} to {largest} dots; objects: {counts}"
    if found.bare:
        yield f"{found.bare:,} of them have no annotation: they are let in, and in no split"
    splits = ", ".join(f"{split} {len(pictures):,}" for split, pictures in found.by_split.items())
    proposed = found.splits.proposed
    yield f"splits: {splits}" + (
        f"; {', '.join(proposed)} dealt out by content, for nobody named them" if proposed else ""
    )
    for split in SHARES:
        if lacking := [name for name in proposal.classes if not objects(found.by_split[split])[name]]:
            yield f"{split} has no object of {', '.join(lacking)}"
    for rule, (count, example) in found.rules.items():
        yield f"to be quarantined by the load step: {count:,} by the rule {rule}, such as {example!r}"
    for why, count in found.left_out.items():
        yield f"left where they are: {count:,} {why}"
