"""One run of an app: its id, its parameters, and the folder that holds what its steps leave for each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

    def outcomes(self, step: str) -> list[Outcome]:
        """Every outcome of an earlier step of this run."""
        return outcome.read(self.folder, step)

    def outcome(self, instance: str) -> Outcome:
        """The outcome of one invocation of an earlier step: ``split``, ``ingest@2013-09-01``, ``train@003``."""
        (single,) = self.outcomes(instance)
        return single

    def did(self, instance: str) -> bool:
        """Whether that invocation of a step has left its outcome."""
        return outcome.file(self.folder, instance).exists()

    def dated(self, step: str) -> Outcome:
        """The outcome of an earlier step for this invocation's date."""
        return self.outcome(f"{step}@{self.ds}")


@dataclass(frozen=True)
class Stage:
    """A recipe's entry for one step: how to build it from a run, the session it is given, and what it runs once for."""

    build: Callable[[Run], Step]
    session: Session
    each: Literal["run", "date", "member"] = "run"

    def instance(self, name: str, run: Run) -> str:
        """The name of one invocation's outcome."""
        return {"run": name, "date": f"{name}@{run.ds}", "member": f"{name}@{run.member:03d}"}[self.each]
