"""Training in one process: resume, refusals, progress and stop, under the same rules as on Spark."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import LBFGS, SGD

from dlcore import Constant, Folder, Plateau, Progress, Training
from dlcore.data.copying import Fingerprint, copy_pieces
from dlcore.data.layout import Layout
from dlcore.data.pieces import Pieces, settled, write_piece
from dlcore.optim.schedules import after

TRAINING: dict[str, Any] = {
    "model": lambda: nn.Sequential(nn.Linear(30, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1)),
    "loss": binary_cross_entropy_with_logits,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.05),
    "batch": 64,
    "epochs": 4,
    "seed": 3,
}


def training(**changes: Any) -> Training:
    return Training(**(TRAINING | changes))


def columns(tumours: pd.DataFrame) -> dict[str, Any]:
    return {"features": [name for name in tumours.columns if name != "benign"], "label": "benign"}


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_it_learns_and_tells(tumours: pd.DataFrame) -> None:
    told: list[Progress] = []
    fitted = training(epochs=10).fit(
        tumours, **columns(tumours), validation=pa.Table.from_pandas(tumours), on_progress=told.append
    )
    assert told == list(fitted.history)
    assert [record.epoch for record in told] == list(range(1, 11))
    assert told[-1].validation is not None
    assert told[-1].validation < 0.1 < told[0].loss
    assert not fitted.module.training


def test_an_interrupted_run_ends_as_an_unbroken_one(tumours: pd.DataFrame, tmp_path: Path) -> None:
    whole = training().fit(tumours, **columns(tumours))
    part = training().fit(
        tumours, **columns(tumours), folder=str(tmp_path), on_progress=lambda record: record.epoch == 2
    )
    assert 18 <= part.history[-1].step < 36
    rest = training().fit(tumours, **columns(tumours), folder=str(tmp_path))
    assert same(rest.module, whole.module)
    assert [r.loss for r in rest.history] == [r.loss for r in whole.history]


def test_a_plateau_goes_on_where_it_was(tumours: pd.DataFrame, tmp_path: Path) -> None:
    plateau = training(schedule=Plateau(lr=0.1, factor=0.5, patience=0, threshold=0.2), epochs=8)
    given = columns(tumours) | {"validation": tumours}
    whole = plateau.fit(tumours, **given)
    rates = [record.lr for record in whole.history]
    assert rates[0] == 0.1 > rates[3] > rates[-1]
    losses = [record.validation or 0.0 for record in whole.history]
    assert rates == [after(plateau.schedule, losses[:epoch])(0) for epoch in range(8)]
    plateau.fit(tumours, **given, folder=str(tmp_path), on_progress=lambda record: record.epoch == 4)
    rest = plateau.fit(tumours, **given, folder=str(tmp_path))
    assert same(rest.module, whole.module)
    assert [(r.lr, r.validation) for r in rest.history] == [(r.lr, r.validation) for r in whole.history]
    with pytest.raises(ValueError, match="schedule follow what validations find; give fit a validation="):
        plateau.fit(tumours, **columns(tumours))


def test_a_folder_of_another_training_or_other_data_is_refused(tumours: pd.DataFrame, tmp_path: Path) -> None:
    training(epochs=1).fit(tumours, **columns(tumours), folder=str(tmp_path))
    with pytest.raises(ValueError, match="batch was 64, is 32"):
        training(epochs=1, batch=32).fit(tumours, **columns(tumours), folder=str(tmp_path))
    with pytest.raises(ValueError, match=r"data was [0-9a-f]+, is"):
        training(epochs=1).fit(tumours.iloc[1:], **columns(tumours), folder=str(tmp_path))


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65])
def test_any_number_of_rows(tumours: pd.DataFrame, rows: int) -> None:
    fitted = training().fit(tumours.iloc[:rows], **columns(tumours))
    assert fitted.history[-1].step == -(-rows // 64) * 4


def test_an_error_of_on_progress_reaches_the_caller(tumours: pd.DataFrame) -> None:
    def fail(_: Progress) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        training().fit(tumours, **columns(tumours), on_progress=fail)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch": 0}, "batch=0"),
        ({"kept_batch": "none"}, "kept_batch must be one of"),
        ({"keep_commits": 0}, r"Training\.keep_commits must be positive, got 0"),
        ({"group_s": -1}, r"Training\.group_s must be positive, got -1"),
        ({"patience_s": 0}, r"Training\.patience_s must be positive, got 0"),
        ({"least_workers": 0}, r"Training\.least_workers must be positive, got 0"),
        ({"retries": -1}, r"Training\.retries must be zero or more, got -1"),
        ({"slots_wait_s": -5}, r"Training\.slots_wait_s must be zero or more, got -5"),
        ({"resident_bytes": -1}, r"Training\.resident_bytes must be zero or more, got -1"),
        ({"loaders": -1}, r"Training\.loaders must be zero or more, got -1"),
        ({"seed": -1}, "seed must be zero or more, got -1"),
        ({"optimizer": LBFGS}, "LBFGS evaluates the loss several times"),
        ({"model": lambda: nn.ReLU()}, "with trainable parameters"),
    ],
)
def test_wrong_settings_are_refused(tumours: pd.DataFrame, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        training(**changes).fit(tumours, **columns(tumours))


def test_parquet_files_train_like_a_table(tumours: pd.DataFrame, tmp_path: Path) -> None:
    for part, rows in enumerate((tumours.iloc[:200], tumours.iloc[200:201], tumours.iloc[201:])):
        rows.to_parquet(tmp_path / f"{part}.parquet", index=False)
    files = ds.dataset(tmp_path, format="parquet")
    straight = training().fit(files, **columns(tumours), folder=str(tmp_path / "run"), validation=files)
    assert same(straight.module, training().fit(tumours, **columns(tumours)).module)
    again = training().fit(files, **columns(tumours), folder=str(tmp_path / "run"), validation=files)
    assert same(straight.module, again.module)


def test_files_that_memory_holds_are_not_written_anew_and_train_like_those_that_are(
    tumours: pd.DataFrame, tmp_path: Path
) -> None:
    tumours.to_parquet(tmp_path / "rows.parquet", index=False)
    files = ds.dataset(tmp_path / "rows.parquet")
    held = training().fit(files, **columns(tumours), folder=tmp_path / "held")
    assert not (tmp_path / "held" / "data").exists()
    mapped = training(resident_bytes=0).fit(files, **columns(tumours), folder=tmp_path / "mapped")
    assert (tmp_path / "mapped" / "data" / "index.json").exists()
    assert same(held.module, mapped.module)


def test_pieces_of_a_job_that_was_killed_are_gone_and_nothing_else(tumours: pd.DataFrame, tmp_path: Path) -> None:
    tumours.to_parquet(tmp_path / "rows.parquet", index=False)
    mine, left = tmp_path / "run" / "data" / "mine.csv", tmp_path / "run" / "data" / "part-00000-00007-0a1b2c3d.arrow"
    mine.parent.mkdir(parents=True)
    mine.write_text("x")
    left.write_text("half")
    mapping = training(epochs=1, resident_bytes=0)
    mapping.fit(ds.dataset(tmp_path / "rows.parquet"), **columns(tumours), folder=f"{tmp_path}/run")
    assert not left.exists()
    assert sorted(file.name[:10] for file in mine.parent.iterdir()) == ["index.json", "mine.csv", "part-00000"]


def test_of_two_drivers_that_write_the_data_one_makes_the_index_and_neither_harms_the_other(
    tumours: pd.DataFrame, tmp_path: Path
) -> None:
    folder, rows = Folder(str(tmp_path)), pa.Table.from_pandas(tumours)
    layout = Layout.of(rows.schema, **columns(tumours))
    late = Fingerprint(layout)
    late.update(layout.cells(rows))
    written = write_piece(folder, "part-00000-0a1b2c3d.arrow", layout.cells(rows))
    first = copy_pieces(ds.dataset(rows), folder, layout)
    assert settled(folder, Pieces.of(layout, [written], str(late))) == first
    assert folder.names() == sorted(["index.json", *first.files])
    other = copy_pieces(ds.dataset(rows.slice(1)), folder / "other", layout)
    with pytest.raises(ValueError, match="holds other data"):
        settled(folder, other)


def test_no_rows_and_two_workers_here_are_refused(tumours: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="has no rows"):
        training().fit(tumours.iloc[:0], **columns(tumours))
    with pytest.raises(ValueError, match="need a Spark DataFrame"):
        training().fit(tumours, **columns(tumours), workers=2)


def test_saved_weights_and_history(tumours: pd.DataFrame, tmp_path: Path) -> None:
    training(epochs=1).fit(tumours, **columns(tumours)).save(str(tmp_path / "out"))
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"weights.safetensors", "history.json"}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(30, 1, bias=False), nn.Linear(30, 1)
        self.wide.weight = self.narrow.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(x).tanh() + self.narrow(x)  # type: ignore[no-any-return]


def test_tied_weights_are_trained_saved_and_loaded(tumours: pd.DataFrame, tmp_path: Path) -> None:
    fitted = training(model=Tied, epochs=1).fit(tumours, **columns(tumours), folder=f"{tmp_path}/run")
    fitted.save(f"{tmp_path}/out")
    loaded = Tied()
    loaded.load_state_dict(load_file(tmp_path / "out" / "weights.safetensors"))
    assert same(loaded, fitted.module)
    assert loaded.wide.weight is loaded.narrow.weight


def noisy_model() -> nn.Module:
    layer = nn.Linear(30, 1)
    layer.weight.data.mul_(random.random()).add_(torch.from_numpy(np.random.standard_normal((1, 30))))
    return layer


def noisy_loss(prediction: Tensor, target: Tensor) -> Tensor:
    noise = random.random() + float(np.random.standard_normal()) + float(torch.rand(()))
    return noise * binary_cross_entropy_with_logits(prediction, target)


def test_random_numbers_of_python_and_numpy_are_the_runs_own(tumours: pd.DataFrame, tmp_path: Path) -> None:
    noisy, given = training(model=noisy_model, loss=noisy_loss), columns(tumours)
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    whole = noisy.fit(tumours, **given)
    assert (random.getstate(), str(np.random.get_state())) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])
    noisy.fit(tumours, **given, folder=str(tmp_path), on_progress=lambda record: record.epoch == 2)
    random.seed(1)
    assert same(noisy.fit(tumours, **given, folder=str(tmp_path)).module, whole.module)
