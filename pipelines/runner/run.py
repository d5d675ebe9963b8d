"""One run of an app: its id, its parameters, and the folder that holds what its steps leave for each other."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Kind, Outcome, Step

Session = Literal["hive", "spark", "none"]
PINNED = "run.json"


class Undeclared(RuntimeError):
    """A step asks for the outcome of another that its stage does not say it reads."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a recipe's functions turn into steps.

    ``ds`` is the logical date and ``member`` the ensemble member of this invocation; ``params`` obey the app's schema. ``reads``
    names the steps whose outcomes this invocation may read; None: any.
    """

    app: str
    id: str
    ds: str
    member: int
    params: Mapping[str, Any]
    settings: Settings
    by: str = "hand"
    reads: frozenset[str] | None = None

    def __post_init__(self) -> None:
        _day(self.ds, "ds")
        if not self.id:
            raise ValueError("a run's id must not be empty")
        if not 0 <= self.member <= 999:
            raise ValueError(f"member must be from 0 to 999, got {self.member}")

    @property
    def folder(self) -> Path:
        """The run's own folder, named by its id."""
        return self.settings.run_folder(self.app, self.id)

    @property
    def dates(self) -> tuple[str, ...]:
        """Every date from the parameter first_date to last_date; where one is empty, only the other, or this invocation's date."""
        given = self.params["first_date"], self.params["last_date"]
        last = _day(given[1] or given[0] or self.ds, "last_date")
        first = _day(given[0] or str(last), "first_date")
        if last < first:
            raise ValueError(f"last_date must not be before first_date, got {first} to {last}")
        return tuple(str(first + timedelta(days=day)) for day in range((last - first).days + 1))

    def outcome(self, step: str, instance: str = "") -> Outcome:
        """The outcome of an earlier step: of ``split``, of ``ingest`` for a date, of ``train`` for a member."""
        self._declared(step)
        return outcome.read(self.folder, f"{step}@{instance}" if instance else step)

    def result(self, step: str, kind: type[Kind], instance: str = "") -> Kind:
        """What an earlier step left for later ones, of the class that it says it leaves."""
        return self.outcome(step, instance).left(kind)

    def did(self, step: str, instance: str = "") -> bool:
        """Whether an earlier step has left its outcome, and did not fail."""
        self._declared(step)
        found = outcome.file(self.folder, f"{step}@{instance}" if instance else step)
        return found.exists() and not Outcome.from_json(found.read_text()).failed

    def pin(self) -> None:
        """Make the folder this run's by its id, parameters and who began it; refuse one that was begun with others."""
        begun = pinned(self.folder)
        if begun is None:
            self._claim()
            begun = pinned(self.folder) or {}
        if begun["id"] != self.id or begun["params"] != dict(self.params):
            other = {name: value for name, value in begun["params"].items() if self.params.get(name) != value}
            raise ValueError(
                f"run {self.id} was begun by {begun['by']} with other parameters than now: {other}; a run keeps "
                "its parameters, so give these, or another id with --run"
            )

    def _claim(self) -> None:
        """Write the pin aside and link it into place, which fails where another step has done so meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{PINNED}.{os.getpid()}"
        content = {"app": self.app, "id": self.id, "by": self.by, "params": dict(self.params)}
        aside.write_text(json.dumps(content, indent=1))
        with suppress(FileExistsError):  # whoever came first is who began the run
            os.link(aside, self.folder / PINNED)
        aside.unlink()

    def _declared(self, step: str) -> None:
        if self.reads is not None and step not in self.reads:
            raise Undeclared(
                f"this step reads the outcome of {step!r}, and its stage says that it reads {sorted(self.reads)}; "
                "name it there, and draw its arrow in the DAG"
            )


def pinned(folder: Path) -> dict[str, Any] | None:
    """What a run's folder was begun with: id, parameters and by whom; None where nothing has begun."""
    file = folder / PINNED
    return dict(json.loads(file.read_text())) if file.exists() else None


@dataclass(frozen=True)
class Stage:
    """A recipe's entry for one step: how to build it from a run, the session it is given, what it runs once for, what it reads.

    ``reads`` names the steps whose outcomes ``build`` asks for, ``may_read`` those that it reads where the run has them; others
    are refused, so a DAG's arrows can be held against it.
    """

    build: Callable[[Run], Step]
    session: Session
    each: Literal["run", "date", "member"] = "run"
    reads: tuple[str, ...] = ()
    may_read: tuple[str, ...] = ()

    def instance(self, name: str, run: Run) -> str:
        """The name of one invocation's outcome."""
        return {"run": name, "date": f"{name}@{run.ds}", "member": f"{name}@{run.member:03d}"}[self.each]


def _day(text: str, name: str) -> date:
    """A date in the one form that folders, outcomes and partitions are named by."""
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    if day is None or str(day) != text:
        raise ValueError(f"{name} must be a date YYYY-MM-DD, got {text!r}")
    return day
