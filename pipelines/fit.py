"""Fit a training on rows, whatever the kind of work: into a folder, going on from where a try of the same fit broke off."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame

from dlcore import Fitted, Start, TensorBoard, Training
from dlcore.data.fields import Tensors
from dlcore.run.describe import settings
from dlcore.run.start import Weights

BOARD = "board"
"""The folder of the event files."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Fit ``training`` with ``workers`` Spark tasks; ``into`` gets ``weights.safetensors``, ``history.json`` and TensorBoard's ``board``.

    It begins with the weights ``start``, else with the model's own. ``identity`` names the rows by content: a fit that broke off goes
    on from its last commit, unless rows or settings were others than now. The weights are a function of the rows in their order and of
    the training alone.
    """

    training: Training
    features: Tensors
    label: str
    workers: int
    into: Path
    identity: str
    start: Start | Weights | None = None

    def on(self, rows: DataFrame, validation: DataFrame | None = None) -> Fitted:
        unfinished, board = self.into / "training", self.into / BOARD
        if not (unfinished / self.named()).exists():
            shutil.rmtree(board, ignore_errors=True)
        fitted = self.training.fit(
            rows,
            features=self.features,
            label=self.label,
            workers=self.workers,
            folder=str(unfinished / self.named()),
            validation=validation,
            callbacks=[TensorBoard(folder=str(board))],
            start=self.start,
        )
        fitted.save(str(self.into))
        shutil.rmtree(unfinished)
        return fitted

    def named(self) -> str:
        """A name of all that the fit depends on; what broke off under another name would be refused for good."""
        all_settings = settings(self.training, data=str(self.features), workers=self.workers)
        return hashlib.sha256(f"{all_settings} {self.identity}".encode()).hexdigest()[:16]


def content(folder: Path) -> str:
    """A hash of the bytes of a folder's Parquet files."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.parquet")):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
