"""TensorBoard's event files: written of a run while it runs, and read again."""

from dataclasses import dataclass
from typing import Any

from dlcore.step.progress import Progress
from dlcore.step.triggers import Moment, Trigger
from dlcore.tracking.callbacks import Callback, ReadWeights, Run


@dataclass(kw_only=True)
class TensorBoard(Callback):
    """Writes loss, rate, rows a second, validation loss and metrics of each record into event files below ``folder``, a path.

    The settings are a text. Where ``histograms`` says so of a commit, each weight is a histogram; ``Training.commit`` says when those
    are. A run that is gone on from takes back what was written beyond the step it goes on from.
    """

    folder: str
    histograms: Trigger | None = None

    def begin(self, run: Run) -> None:
        from torch.utils.tensorboard import SummaryWriter  # here, since it needs tensorboard, an extra

        self._writer: Any = SummaryWriter(self.folder, purge_step=run.step + 1 if run.step else None)
        lines = [f"    {name} = {value}" for name, value in run.settings.items()]
        self._writer.add_text("settings", "\n".join(lines), run.step)

    def record(self, record: Progress) -> None:
        for name, figure in record.figures.items():
            self._writer.add_scalar(name, figure, record.step)
        self._writer.flush()

    def commit(self, moment: Moment, weights: ReadWeights) -> None:
        if self.histograms is not None and self.histograms(moment):
            for name, each in weights().items():
                self._writer.add_histogram(f"weights/{name}", each.float(), moment.place.step)

    def end(self) -> None:
        self._writer.close()


def read_scalars(folder: str) -> dict[str, list[tuple[int, float]]]:
    """The scalars of the event files below ``folder``: steps and figures by name, in the order of steps."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(folder, size_guidance={SCALARS: 0})
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()[SCALARS]}
