"""The champion moves only to a candidate that beats it on the same validation rows."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from dlcore import Artifact
from pipelines.binary import predictions
from pipelines.outcome import Outcome
from pipelines.publish import Publish
from pipelines.registry import Registry
from tests.pipelines import frames


class Weighted(nn.Module):
    """The probability that one weight a feature gives."""

    weight: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(features))

    def forward(self, rows_NF: Tensor) -> Tensor:
        return torch.sigmoid(rows_NF @ self.weight)


MODELS = {"weighted": Weighted}
GOOD, POOR = [1.0, 0.05, 0.0, 0.0], [0.1, 0.0, 1.0, 0.0]


def candidate(folder: Path, weights: list[float], frame: Path, precision: float) -> Path:
    """An artifact that claims ``precision`` on the validation rows of ``frame``."""
    measured = {"fingerprint": predictions.fingerprint(frame / "validation"), "average_precision": precision}
    Artifact.save(
        str(folder),
        model="weighted",
        arguments={"features": 4},
        tensors={"weight": torch.tensor(weights)},
        details={"features": list(frames.FEATURES), "validation": measured},
    )
    return folder


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    return frames.write(tmp_path / "frame", frames.rows())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(folder=tmp_path / "registry")


def publish(folder: Path, frame: Path, registry: Registry, run: str = "a run") -> Outcome:
    step = Publish(candidate=folder, validation=frame / "validation", registry=registry, models=MODELS, run_id=run)
    return step.run(None)


def test_the_first_candidate_becomes_champion(tmp_path: Path, frame: Path, registry: Registry) -> None:
    found = publish(candidate(tmp_path / "c", GOOD, frame, 0.8), frame, registry)
    assert found.details["moved"] and registry.champion().id == found.details["version"]
    assert registry.pointers().moves[0].by == "a run"


def test_publishing_again_changes_nothing_and_says_the_same(tmp_path: Path, frame: Path, registry: Registry) -> None:
    folder = candidate(tmp_path / "c", GOOD, frame, 0.8)
    first = publish(folder, frame, registry)
    before = registry.pointers()
    found = publish(folder, frame, registry)
    assert (found.summary, found.details) == (first.summary, first.details) and found.details["moved"]
    assert registry.pointers() == before and len(registry.versions()) == 1


def test_another_run_with_the_same_candidate_has_not_moved_the_champion(
    tmp_path: Path, frame: Path, registry: Registry
) -> None:
    folder = candidate(tmp_path / "c", GOOD, frame, 0.8)
    publish(folder, frame, registry)
    found = publish(folder, frame, registry, run="another run")
    assert not found.details["moved"] and "champion already" in found.summary


@pytest.mark.parametrize(("precision", "moves"), [(0.81, True), (0.8, False), (0.79, False)])
def test_only_a_better_figure_on_the_same_rows_moves_it(
    tmp_path: Path, frame: Path, registry: Registry, precision: float, moves: bool
) -> None:
    publish(candidate(tmp_path / "c", GOOD, frame, 0.8), frame, registry)
    found = publish(candidate(tmp_path / "d", POOR, frame, precision), frame, registry)
    assert found.details["moved"] is moves
    assert len(registry.versions()) == 2


def test_a_champion_measured_on_other_rows_is_measured_on_these(
    tmp_path: Path, frame: Path, registry: Registry
) -> None:
    """Its old figure of 0.01 would lose; on these rows it is far better than the candidate's 0.3."""
    other = frames.write(tmp_path / "other", frames.rows(seed=5))
    champion = publish(candidate(tmp_path / "c", GOOD, other, 0.01), other, registry).details["version"]
    found = publish(candidate(tmp_path / "d", POOR, frame, 0.3), frame, registry)
    assert found.metrics["champion_average_precision"] > 0.5
    assert not found.details["moved"] and registry.champion().id == champion


def test_a_pinned_champion_stays_and_the_sentence_says_so(tmp_path: Path, frame: Path, registry: Registry) -> None:
    champion = publish(candidate(tmp_path / "c", GOOD, frame, 0.5), frame, registry).details["version"]
    registry.pin(champion)
    found = publish(candidate(tmp_path / "d", POOR, frame, 0.9), frame, registry)
    assert "the champion is pinned" in found.summary and registry.champion().id == champion


def test_a_champion_that_needs_columns_these_rows_lack_is_named(
    tmp_path: Path, frame: Path, registry: Registry
) -> None:
    publish(candidate(tmp_path / "c", GOOD, frame, 0.5), frame, registry)
    narrow = frames.write(tmp_path / "narrow", frames.rows().drop(columns="b"))
    with pytest.raises(ValueError, match=r"columns a model asks for, lacking \['b'\]"):
        publish(candidate(tmp_path / "d", POOR, narrow, 0.9), narrow, registry)


def test_a_fingerprint_is_of_the_set_of_rows(tmp_path: Path) -> None:
    rows = frames.rows(400)
    shuffled = rows.sample(frac=1, random_state=1)
    changed = rows.assign(amount=rows["amount"].where(rows.index != 7, 1.5))
    prints = [
        predictions.fingerprint(parted(tmp_path / str(at), each)) for at, each in enumerate((rows, shuffled, changed))
    ]
    assert prints[0] == prints[1] != prints[2]


def parted(folder: Path, rows: pd.DataFrame) -> Path:
    """The rows in two files, cut at a place that differs with their order."""
    folder.mkdir()
    cut = int(rows.index[0]) % 100 + 50
    rows[:cut].to_parquet(folder / "a.parquet", index=False)
    rows[cut:].to_parquet(folder / "b.parquet", index=False)
    return folder
