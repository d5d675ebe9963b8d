"""What is told of a run while it runs: on the driver, in the thread that called ``fit``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

from dlcore.step.progress import Progress
from dlcore.step.triggers import Moment

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OnProgress = Callable[[Progress], object]
ReadWeights: TypeAlias = Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it begins, or is gone on from, after ``step`` of at most ``steps`` steps.

    ``settings`` are those that were given, in a few words each.
    """

    settings: Mapping[str, str]
    rows: int
    workers: int
    step: int
    steps: int
    folder: str

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return (
            f"{self.rows:,} rows, {self.workers} workers, steps {self.step:,} to {self.steps:,}, commits in {self.folder}; "
            f"settings: {given}"
        )


class Callback:
    """Is told of a run: each method does nothing unless it is overridden. What one raises stops the run, and is raised by ``fit``."""

    def begin(self, run: Run) -> None:
        """Before the first step."""

    def record(self, record: Progress) -> object:
        """Of each record, once; True asks for a stop."""

    def commit(self, moment: Moment, weights: ReadWeights) -> None:
        """Of each commit; ``weights()`` reads those of the model from it, by their names."""

    def end(self) -> None:
        """After the last step, whatever it ended by."""


@dataclass(frozen=True)
class OfRecords(Callback):
    """A function of records alone."""

    function: OnProgress

    def record(self, record: Progress) -> object:
        return self.function(record)


def callbacks_of(on_progress: OnProgress | None, callbacks: Iterable[Callback]) -> Sequence[Callback]:
    return [*([] if on_progress is None else [OfRecords(on_progress)]), *callbacks]


def given_settings(plan: "DataclassInstance") -> dict[str, str]:
    """Settings that are not as they would be by themselves, in a few words each."""
    values = [(each.name, getattr(plan, each.name), each.default) for each in fields(plan)]
    return {name: _words(value) for name, value, default in values if default is MISSING or value != default}


def _words(value: Any) -> str:
    if isinstance(value, partial):
        arguments = [*map(_words, value.args), *(f"{name}={_words(each)}" for name, each in value.keywords.items())]
        return f"{_words(value.func)}({', '.join(arguments)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_words, value))}]"
    return getattr(value, "__qualname__", None) or repr(value)
