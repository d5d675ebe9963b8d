"""What a step did, in a form that the next step, the report and a person can read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

from pydantic import TypeAdapter

from infra.tables.hive import Partition
from pipelines.section import Section

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows a step took, gave, set aside for a fault, and left out by rule; none may be lost."""

    taken: int
    given: int
    quarantined: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        if self.taken != self.given + self.quarantined + self.left_out:
            raise ValueError(
                f"rows in must equal rows out + rows quarantined + rows left out, got {self}; rows were lost or doubled"
            )

    def __str__(self) -> str:
        left_out = f", {self.left_out:,} left out" if self.left_out else ""
        return f"{self.taken:,} rows in, {self.given:,} out, {self.quarantined:,} quarantined{left_out}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one step: a sentence, its rows, its figures, and what it leaves for later steps and for the report.

    ``partitions`` pins the exact versions of the Hive partitions written. ``result`` is what later steps need, a frozen
    dataclass of the step's own module; they name the class when they ask for it. ``sections`` is what the report shows;
    ``headline`` sums up the whole run, and ``facts`` are what it is compared with other runs by. ``failed`` is the sentence of
    a failure: such an outcome is for people alone; ``refused`` says that another try of the same would fail again. ``times``
    says, in seconds since the epoch, when the process was launched, began, had its session and ended.
    """

    summary: str
    rows: Rows | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    partitions: tuple[Partition, ...] = ()
    warnings: tuple[str, ...] = ()
    result: Any = None
    sections: tuple[Section, ...] = ()
    headline: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    refused: bool = False
    times: Mapping[str, float] = field(default_factory=dict)

    def warned(self, warnings: Iterable[str]) -> "Outcome":
        """The outcome with further warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, default=_plain, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        found = json.loads(text)
        known = {name: adapter.validate_python(found[name]) for name, adapter in ADAPTERS.items() if name in found}
        return cls(**known)

    def left(self, kind: type[Kind]) -> Kind:
        """``result`` as the dataclass that the step left, whether it is still in memory or was read as JSON."""
        if isinstance(self.result, kind):
            return self.result
        return TypeAdapter(kind).validate_python(self.result)


def _plain(value: object) -> str:
    """A path as text; what else JSON does not know is a mistake of the step."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(
        f"an outcome holds numbers, texts, paths, sequences and mappings, got {type(value).__name__}: {value!r}"
    )


ADAPTERS: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in get_type_hints(Outcome).items()}


class StepFailed(RuntimeError):
    """A step found that what it is to do must not be done; ``outcome`` is what it found, for the report."""

    def __init__(self, sentence: str, outcome: Outcome) -> None:
        super().__init__(sentence)
        self.outcome = outcome


class Step(Protocol):
    """A frozen dataclass of what to do; ``run`` is given the session that its stage names."""

    def run(self, spark: Any) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A step that has nothing to do, and says ``why``."""

    why: str

    def run(self, spark: Any) -> Outcome:
        return Outcome(summary=f"skipped: {self.why}")


def file(folder: Path, instance: str) -> Path:
    """Where one invocation of a step leaves its outcome in a run's folder."""
    return folder / "outcomes" / f"{instance}.json"


def read(folder: Path, instance: str) -> Outcome:
    """Read the outcome of one invocation of a step, which must have succeeded."""
    found = file(folder, instance)
    if not found.exists():
        raise FileNotFoundError(f"no outcome of step {instance!r} in {folder}; run that step first")
    outcome = Outcome.from_json(found.read_text())
    if outcome.failed:
        raise ValueError(f"step {instance!r} failed in {folder}: {outcome.failed}; run that step again first")
    return outcome


def read_all(folder: Path) -> dict[str, Outcome]:
    """Every outcome of a run by its step's name and instance, failed ones too, in the order in which they ended."""
    found = {file.stem: Outcome.from_json(file.read_text()) for file in sorted(folder.glob("outcomes/[!.]*.json"))}
    return dict(sorted(found.items(), key=lambda entry: entry[1].times.get("ended", 0.0)))
