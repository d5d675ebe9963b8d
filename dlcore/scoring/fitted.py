"""What a training gives, and the ways on from it: score with it, make an artifact of it, write it down."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from dlcore.data.fields import Tensors
from dlcore.metrics.metric import Metric
from dlcore.scoring.artifact import WEIGHTS, Artifact, packed
from dlcore.scoring.evaluation import evaluate
from dlcore.scoring.outputs import Outputs
from dlcore.scoring.prediction import D, Prediction
from dlcore.step.method import Method
from dlcore.step.progress import Progress, time_shares
from dlcore.storage.folder import Folder, Place

if TYPE_CHECKING:
    from dlcore.data.sources import Data

HISTORY = "history.json"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a training gives: the module in evaluation mode, how the loss went, and what rows were to it.

    With ``Training.keep_best`` the module's weights are those of the record ``best``.
    """

    module: nn.Module
    history: tuple[Progress, ...]
    method: Method
    features: Tensors
    label: Tensors
    best: Progress | None = None

    @property
    def time_shares(self) -> dict[str, float]:
        """What part of the time went to scheduling, synchronisation, commits and waiting for data, as rank 0 saw it."""
        return time_shares(self.history)

    def evaluate(self, data: "Data", metrics: Sequence[Metric], *, batch: int | None = None) -> dict[str, float]:
        """The metrics' figures of labelled rows: of a DataFrame by Spark's tasks, of a table or a pyarrow dataset in this process."""
        return evaluate(
            self.module,
            data,
            metrics,
            features=self.features,
            label=self.label,
            transform=self.method.transform,
            precision=self.method.precision,
            batch=batch,
        )

    def predict(self, data: D, *, outputs: Outputs, error: str = "error", batch: int | None = None) -> D:
        """Add ``outputs`` to a Spark DataFrame, pyarrow Table or pandas DataFrame (``dlcore.scoring.prediction``)."""
        prediction = Prediction(
            module=self.module,
            features=self.features,
            outputs=outputs,
            transform=self.method.transform,
            error=error,
            batch=batch,
        )
        return prediction(data)

    def export(
        self,
        folder: Place,
        *,
        outputs: Outputs,
        model: str = "model",
        details: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes | Path] | None = None,
    ) -> Artifact:
        """Write what ``predict`` needs as an artifact, and return that: weights, features, kinds of outputs, the history, ``files``.

        It names ``Training.model`` as ``model``, so that ``Artifact.load(folder, models={model: ...})`` builds it again; of a
        ``partial``, the keyword arguments are in the artifact, and the function is asked for.
        """
        build, arguments = _built_by(self.method.model)
        return Artifact.save(
            folder,
            model=model,
            arguments=arguments,
            tensors=self.module.state_dict(),
            details=details or {},
            features=self.features,
            outputs=outputs,
            transform=self.method.transform,
            files={**(files or {}), HISTORY: self._history},
            models={model: build},
        )

    @property
    def _history(self) -> bytes:
        return json.dumps([asdict(record) for record in self.history], indent=1).encode()

    def save(self, folder: Place) -> None:
        """Write ``weights.safetensors`` and ``history.json`` for programs other than dlcore; ``export`` is what scoring takes up."""
        Folder.of(folder).write(WEIGHTS, packed(self.module.state_dict()))
        Folder.of(folder).write(HISTORY, self._history)


def _built_by(model: Callable[[], nn.Module]) -> tuple[Callable[..., nn.Module], dict[str, Any]]:
    """A model's function, and the arguments that JSON can hold."""
    if isinstance(model, partial) and not model.args:
        return model.func, dict(model.keywords)
    return model, {}
