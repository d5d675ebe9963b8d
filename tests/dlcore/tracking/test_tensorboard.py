"""Event files have a run's scalars, histograms and settings, and are read back; a resumed run does not tell a step twice."""

from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import HISTOGRAMS, EventAccumulator

from dlcore import Accuracy, EveryEpochs, TensorBoard, read_scalars
from tests.dlcore.run.test_fit_here import columns, training


def test_what_is_written_is_read_back(tumours: pd.DataFrame, tmp_path: Path) -> None:
    board = TensorBoard(folder=str(tmp_path / "board"), histograms=EveryEpochs(2))
    watched = training(metrics=[Accuracy()], commit=EveryEpochs())
    given = columns(tumours) | {"validation": tumours, "callbacks": [board], "folder": str(tmp_path / "run")}
    watched.fit(tumours, **given, on_progress=lambda record: record.epoch == 2)
    fitted = watched.fit(tumours, **given)
    scalars = read_scalars(board.folder)
    assert sorted(scalars) == ["accuracy", "loss", "rate", "rows_per_s", "validation"]
    assert [step for step, _ in scalars["loss"]] == [9, 18, 27, 36]
    assert [figure for _, figure in scalars["loss"]] == pytest.approx([record.loss for record in fitted.history])
    accuracies = [record.metrics["accuracy"] for record in fitted.history]
    assert [figure for _, figure in scalars["accuracy"]] == pytest.approx(accuracies)
    events = EventAccumulator(board.folder, size_guidance={HISTOGRAMS: 0}).Reload()
    assert sorted(events.Tags()["histograms"])[0] == "weights/0.bias"
    assert [each.step for each in events.Histograms("weights/0.weight")] == [18, 36]
    assert "settings/text_summary" in events.Tags()["tensors"]
