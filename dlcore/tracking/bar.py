"""A progress bar, in a terminal or a notebook; where there is neither, the log has a line for each record."""

from dataclasses import dataclass
from typing import Any, TextIO

from dlcore.step.progress import Progress
from dlcore.tracking.callbacks import Callback, Run


@dataclass(kw_only=True)
class ProgressBar(Callback):
    """Shows steps, time left, and of the newest record loss, rate, rows a second and figures, on ``file``, unless given standard error.

    It moves with the records. A file that is no terminal gets nothing.
    """

    file: TextIO | None = None

    def __post_init__(self) -> None:
        self._judged: dict[str, str] = {}

    def begin(self, run: Run) -> None:
        from tqdm.auto import tqdm  # here, since workers have no need of it

        # disable=None: only where there is a terminal or a notebook
        self._bar: Any = tqdm(total=run.steps, initial=run.step, unit="step", file=self.file, disable=None)

    def record(self, record: Progress) -> None:
        shown = {"epoch": record.epoch, "loss": f"{record.loss:.4g}", "rate": f"{record.lr:.3g}"}
        shown |= {"rows/s": f"{record.rows_per_s:,.0f}"}
        if record.validation is not None:
            self._judged = {"validation": f"{record.validation:.4g}"}
            self._judged |= {name: f"{figure:.4g}" for name, figure in record.metrics.items()}
        self._bar.set_postfix(shown | self._judged, refresh=False)
        self._bar.update(record.step - self._bar.n)

    def end(self) -> None:
        self._bar.close()
