"""An ensemble as OpenVINO scores it: the rows that int8 is calibrated on, and the threshold and figures in what it scores in."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from dlcore import Artifact
from pipelines.binary.comparison import COLUMNS
from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.figures import Figures
from pipelines.binary.measures.scored import Cost, Scored
from pipelines.outcome import Rows
from pipelines.quantise import Chosen, Precision
from pipelines.section import Column, Line, Listing

PARTS = ("validation", "test")
SAMPLE = 300
"""As many rows as dlcore calibrates on."""


def sample(frames: Frames, label: str, rows: int = SAMPLE) -> pa.Table:
    """Training rows to calibrate int8 on, spread over time: positives up to half of them, since it cuts off what no sampled row reaches.

    Measured on card transactions with three perceptrons, all layers in int8: of an average precision of 0.704, a sample of rows as
    they come (one positive in 600) leaves 0.652, and one with a third of positives 0.683.
    """
    train = frames.path("train")
    positive = spread(train, label, 1, rows // 2)
    negative = spread(train, label, 0, rows - len(positive))
    return predictions.at(train, np.sort(np.concatenate([positive, negative])), frames.features)


def validation(frames: Frames, label: str) -> pa.Table:
    """All validation rows, with what models see of them."""
    return ds.dataset(frames.path("validation"), format="parquet").to_table(columns=[*frames.features, label])


def spread(folder: Path, label: str, kind: int, most: int) -> NDArray[np.int64]:
    """The places of the rows whose label is ``kind``: of all, or of as many as may be, evenly. Labels are read twice, and not held."""
    count = sum(np.count_nonzero(found) for found in _are(folder, label, kind))
    wanted = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
    places, rows, before = [], 0, 0
    for found in _are(folder, label, kind):
        here = np.flatnonzero(found)
        inside = wanted[(wanted >= before) & (wanted < before + len(here))] - before
        places.append(rows + here[inside])
        rows, before = rows + len(found), before + len(here)
    return np.concatenate(places)


def _are(folder: Path, label: str, kind: int) -> Iterator[NDArray[np.bool_]]:
    """Batch by batch which rows have a label of ``kind``."""
    for batch in predictions.batches(folder, [label]):
        yield batch[label].to_numpy(zero_copy_only=False) == kind


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """Chooses an ensemble's threshold anew on validation rows as they are scored in a precision, and takes its figures anew.

    Its probabilities' calibration stays, for it is part of the model; the figures say how well it holds.
    """

    frames: Frames
    roles: Roles
    cost: Cost

    def __call__(self, artifact: Artifact, precision: Precision) -> Chosen:
        validation, test = (self.scored(artifact, precision, part) for part in PARTS)
        threshold, figures = self.cost.threshold(validation), Figures.of(test)
        found = {
            "threshold": threshold,
            "validation": {**artifact.details["validation"], **asdict(Figures.of(validation))},
            "test": asdict(figures),
        }
        return Chosen(
            details=found,
            rows=Rows(taken=self.frames.rows(*PARTS), given=len(validation.label) + len(test.label)),
            metrics={"test_average_precision": figures.average_precision, "threshold": threshold},
            parts=(compared({"torch, as evaluated": artifact.details, f"{precision}, as it scores": found}),),
        )

    def scored(self, artifact: Artifact, precision: Precision, part: str) -> Scored:
        rows, probability_N = predictions.rate(
            self.frames.path(part), self.frames.features, self.roles.kept, artifact.ir(precision)
        )
        return predictions.scored(rows, probability_N.double().numpy(), self.roles)


def compared(details: Mapping[str, Mapping[str, Any]]) -> Listing:
    """Figures on test rows, and the threshold of validation rows, by what an ensemble was computed by."""
    names = [*(title for title, _ in COLUMNS.values()), "Threshold"]
    return Listing(
        columns=(Column(title="On the same test rows"), *(Column(title=name, style="number") for name in names)),
        lines=tuple(
            Line(
                cells=(
                    title,
                    *(f"{each['test'][name]:.{digits}f}" for name, (_, digits) in COLUMNS.items()),
                    f"{each['threshold']:.4f}",
                )
            )
            for title, each in details.items()
        ),
    )
