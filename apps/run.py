"""One run of an app: its id, its parameters, and the folder that holds what its steps leave for each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Outcome, Step

Session = Literal["hive", "spark", "none"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a recipe's functions turn into steps.

    ``ds`` is the logical date and ``member`` the ensemble member of this invocation; ``params`` obey the app's schema.
    """

    app: str
    id: str
    ds: str
    member: int
    params: Mapping[str, Any]
    settings: Settings

    @property
    def folder(self) -> Path:
        """The run's own folder, named by its id."""
        return self.settings.run_folder(self.app, self.id)

    @property
    def dates(self) -> list[str]:
        """Every date from ``first_date`` to ``last_date``, both included."""
        first = date.fromisoformat(self.params["first_date"])
        last = date.fromisoformat(self.params["last_date"] or self.ds)
        if last < first:
            raise ValueError(f"last_date must not be before first_date, got {first} to {last}")
        return [str(first + timedelta(days=day)) for day in range((last - first).days + 1)]

    def outcomes(self, step: str) -> list[Outcome]:
        """Every outcome of an earlier step of this run."""
        return outcome.read(self.folder, step)

    def outcome(self, step: str) -> Outcome:
        """The outcome of an earlier step that runs once a run."""
        (single,) = self.outcomes(step)
        return single


@dataclass(frozen=True)
class Stage:
    """A recipe's entry for one step: how to build it from a run, the session it is given, and what it runs once for."""

    build: Callable[[Run], Step]
    session: Session
    each: Literal["run", "date", "member"] = "run"

    def instance(self, name: str, run: Run) -> str:
        """The name of one invocation's outcome."""
        return {"run": name, "date": f"{name}@{run.ds}", "member": f"{name}@{run.member:03d}"}[self.each]
