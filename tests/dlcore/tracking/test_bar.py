"""The bar goes to a terminal alone, and has the figures of the newest record."""

import io

import pandas as pd

from dlcore import Accuracy, ProgressBar
from tests.dlcore.run.test_fit_here import columns, training


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(file: io.StringIO, tumours: pd.DataFrame) -> str:
    bar = ProgressBar(file=file)
    training(metrics=[Accuracy()]).fit(tumours, **columns(tumours), validation=tumours, callbacks=[bar])
    return file.getvalue()


def test_a_terminal_sees_steps_figures_and_the_time_left(tumours: pd.DataFrame) -> None:
    last = shown(Terminal(), tumours).split("\r")[-1]
    assert "36/36" in last
    assert "<00:00" in last
    assert all(f"{name}=" in last for name in ("epoch", "loss", "rate", "rows/s", "validation", "accuracy"))


def test_a_file_gets_nothing(tumours: pd.DataFrame) -> None:
    assert shown(io.StringIO(), tumours) == ""
