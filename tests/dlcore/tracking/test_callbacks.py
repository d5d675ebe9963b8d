"""Callbacks are told of beginning, records, commits and end, once each, in the thread that called fit."""

import threading
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.optim import SGD

from dlcore import Callback, EveryEpochs, Moment, Progress, Run
from dlcore.tracking.callbacks import ReadWeights
from tests.dlcore.run.test_fit_here import columns, training


class Told(Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.threads: set[int] = set()
        self.weights: dict[str, torch.Tensor] = {}

    def tell(self, what: str) -> None:
        self.told.append(what)
        self.threads.add(threading.get_ident())

    def begin(self, run: Run) -> None:
        self.run = run
        self.tell("begin")

    def record(self, record: Progress) -> None:
        self.tell(f"record {record.step}")

    def commit(self, moment: Moment, weights: ReadWeights) -> None:
        self.weights = dict(weights())
        self.tell(f"commit {moment.place.step}")

    def end(self) -> None:
        self.tell("end")


def test_what_is_told_and_when(tumours: pd.DataFrame, tmp_path: Path) -> None:
    told, given = Told(), columns(tumours) | {"folder": str(tmp_path)}
    fitted = training(epochs=2, commit=EveryEpochs()).fit(tumours, **given, callbacks=[told])
    assert told.told == ["begin", "record 9", "commit 9", "record 18", "commit 18", "end"]
    assert told.threads == {threading.get_ident()}
    assert (told.run.rows, told.run.workers, told.run.step, told.run.steps) == (569, 1, 0, 18)
    assert all(torch.equal(told.weights[name], each) for name, each in fitted.module.state_dict().items())
    more = Told()
    training(epochs=3, commit=EveryEpochs()).fit(tumours, **given, callbacks=[more])
    assert more.told == ["begin", "record 27", "commit 27", "end"]
    assert (more.run.step, more.run.steps) == (18, 27)


def test_the_settings_are_said_once_in_a_few_words(tumours: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "dlcore"):
        training(epochs=2, optimizer=partial(SGD, momentum=0.9)).fit(tumours, **columns(tumours))
    [said] = [record.message for record in caplog.records if "settings: " in record.message]
    assert said.startswith("569 rows, 1 workers, steps 0 to 18, commits in ")
    assert "optimizer=SGD(momentum=0.9), schedule=Constant(lr=0.05), batch=64, epochs=2, seed=3" in said


class Fails(Told):
    def record(self, record: Progress) -> None:
        raise KeyError("mine")


def test_what_a_callback_raises_is_raised_after_the_end_is_told(tumours: pd.DataFrame) -> None:
    failing = Fails()
    with pytest.raises(KeyError, match="mine"):
        training().fit(tumours, **columns(tumours), callbacks=[failing])
    assert failing.told == ["begin", "end"]
