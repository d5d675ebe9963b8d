"""What a step did, in a form that the next step, the report and a person can read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from infra.tables.hive import Partition


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows a step took, gave and set aside; none may be lost."""

    taken: int
    given: int
    quarantined: int = 0

    def __post_init__(self) -> None:
        if self.taken != self.given + self.quarantined:
            raise ValueError(f"rows in must equal rows out + rows quarantined, got {self}; rows were lost or doubled")

    def __str__(self) -> str:
        return f"{self.taken:,} rows in, {self.given:,} out, {self.quarantined:,} quarantined"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one step: a sentence, its rows, its figures, and where it put things.

    ``partitions`` pins the exact versions of the Hive partitions written; ``details`` holds what the report draws;
    ``failed`` is the sentence of a failure: such an outcome is for people alone. ``times`` says, in seconds since the epoch,
    when the process was launched, began, had its session and ended.
    """

    summary: str
    rows: Rows | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    partitions: tuple[Partition, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""
    times: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        fields = json.loads(text)
        fields["rows"] = Rows(**fields["rows"]) if fields["rows"] else None
        fields["partitions"] = tuple(Partition(**partition) for partition in fields["partitions"])
        fields["warnings"] = tuple(fields["warnings"])
        return cls(**fields)


class StepFailed(RuntimeError):
    """A step found that what it is to do must not be done; ``outcome`` is what it found, for the report."""

    def __init__(self, sentence: str, outcome: Outcome) -> None:
        super().__init__(sentence)
        self.outcome = outcome


class Step(Protocol):
    """A frozen dataclass of what to do; ``run`` is given the session that its stage names."""

    def run(self, spark: Any) -> Outcome: ...


def file(folder: Path, instance: str) -> Path:
    """Where one invocation of a step leaves its outcome in a run's folder."""
    return folder / "outcomes" / f"{instance}.json"


def read(folder: Path, step: str) -> list[Outcome]:
    """Read every outcome of ``step`` in a run's folder, one an instance, in the instances' order."""
    instances = sorted((folder / "outcomes").glob(f"{step}@*.json"))
    files = [one for one in (file(folder, step), *instances) if one.exists()]
    if not files:
        raise FileNotFoundError(f"no outcome of step {step!r} in {folder}; run that step first")
    found = [Outcome.from_json(one.read_text()) for one in files]
    if failed := [outcome.failed for outcome in found if outcome.failed]:
        raise FileNotFoundError(f"step {step!r} failed in {folder}: {failed[0]}; run that step again first")
    return found
