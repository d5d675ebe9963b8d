"""Champion and challenger meet on test rows that neither has seen, and the interval tells a better model from a lucky one."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import nn

from dlcore import Artifact
from pipelines.binary.frames.seen import Seen
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.interval import Interval, Ranking, lead, resamples
from pipelines.binary.measures.scored import Scored
from pipelines.binary.meeting import Meeting
from pipelines.binary.models.ensemble import MODEL, rebuilt
from pipelines.binary.models.networks import Logit
from pipelines.publish import Incomparable
from tests.pipelines import frames


def linear(*, mean: list[float], std: list[float]) -> nn.Module:
    return nn.Sequential(nn.Linear(len(mean), 1), Logit())


NETWORKS = {"linear": linear}
GOOD, POOR = [1.0, 0.05, 0.0, 0.0], [0.1, 0.0, 1.0, 0.0]


@pytest.fixture
def frame(tmp_path: Path) -> Frames:
    return frames.write(tmp_path / "frame", frames.rows())


def model(
    folder: Path, weights: list[float], seen: Seen | None, features: tuple[str, ...] = frames.FEATURES
) -> Artifact:
    forms = [{"network": "linear", "features": 4, "arguments": {}}]
    module = rebuilt(NETWORKS, members=forms)
    state = {"0.weight": torch.tensor([weights]), "0.bias": torch.zeros(1)}
    module.members[0].load_state_dict(state)
    return Artifact.save(
        str(folder),
        model=MODEL,
        arguments={"members": forms},
        tensors=module.state_dict(),
        details={"features": list(features)} | ({"seen": asdict(seen)} if seen else {}),
    )


def meeting(frame: Frames) -> Meeting:
    return Meeting(frames=frame, networks=NETWORKS, roles=frames.ROLES, scratch=frame.folder / "meeting")


def test_a_better_model_leads_beyond_chance_and_a_copy_does_not(tmp_path: Path, frame: Frames) -> None:
    seen = Seen.of(frame)
    poor, good = model(tmp_path / "p", POOR, seen), model(tmp_path / "g", GOOD, seen)
    found = meeting(frame)(None, poor, good)
    assert found.beyond_chance and found.champion < found.challenger and 0 < found.low < found.high
    back = meeting(frame)(None, good, poor)
    assert not back.beyond_chance and back.high < 0
    alike = meeting(frame)(None, good, good)
    assert (alike.low, alike.high, alike.beyond_chance) == (0, 0, False)


def test_they_meet_on_rows_that_neither_was_trained_or_calibrated_on(tmp_path: Path, frame: Frames) -> None:
    """The champion was calibrated on the first half of what the challenger calls its test rows."""
    test = pd.read_parquet(frame.path("test"))["time_s"]
    seen = Seen(first_s=0.0, last_s=float(test.quantile(0.5)))
    champion, challenger = model(tmp_path / "c", POOR, seen), model(tmp_path / "d", GOOD, Seen.of(frame))
    assert meeting(frame)(None, champion, challenger).rows == int((test > seen.last_s).sum()) < len(test)


def test_a_champion_that_has_seen_all_rows_is_not_measured_on_them(tmp_path: Path, frame: Frames) -> None:
    everything = Seen(first_s=0.0, last_s=1e9)
    with pytest.raises(Incomparable, match="0 with 0 positives lie outside of what the champion has seen"):
        meeting(frame)(None, model(tmp_path / "c", POOR, everything), model(tmp_path / "d", GOOD, Seen.of(frame)))


def test_a_champion_that_does_not_say_what_it_has_seen_or_asks_for_other_columns_is_named(
    tmp_path: Path, frame: Frames
) -> None:
    good = model(tmp_path / "d", GOOD, Seen.of(frame))
    with pytest.raises(Incomparable, match="does not say which rows it has seen"):
        meeting(frame)(None, model(tmp_path / "c", POOR, None), good)
    other = model(tmp_path / "e", POOR, Seen.of(frame), features=("a", "b", "c", "e"))
    with pytest.raises(Incomparable, match=r"asks for other columns: .* lacking \['e'\]"):
        meeting(frame)(None, other, good)


def test_an_interval_covers_the_difference_and_is_that_of_equal_draws() -> None:
    chance = np.random.default_rng(0)
    label = (chance.random(2000) < 0.05).astype(np.int64)
    first, second = (
        Scored(
            label=label, value=np.ones(2000), probability=1 / (1 + np.exp(-(sharp * label + chance.normal(size=2000))))
        )
        for sharp in (2.0, 1.8)
    )
    found = lead(first, second)
    gap = partial(average_precision_score, label)
    assert found.low < gap(first.probability) - gap(second.probability) < found.high
    assert lead(first, second) == found
    with pytest.raises(ValueError, match="compared on the same rows"):
        lead(first, replace(second, label=1 - label))


def test_an_interval_of_folds_is_students() -> None:
    found = Interval.paired(np.array([1.0, 2.0, 3.0]))
    assert (found.low, found.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)  # 4.3027 / sqrt(3)
    with pytest.raises(ValueError, match="at least two differences, got 1"):
        Interval.paired(np.array([1.0]))


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_weighted_average_precision_is_scikit_learns_with_equal_scores_too(digits: int) -> None:
    chance = np.random.default_rng(0)
    label = (chance.random(3000) < 0.05).astype(np.int64)
    probability = np.round(0.5 * chance.random(3000) + 0.3 * label * chance.random(3000), digits)
    ranking = Ranking(Scored(label=label, value=np.ones(3000), probability=probability))
    for weights in (np.ones(3000), chance.integers(0, 4, 3000).astype(np.float64)):
        expected = average_precision_score(label, probability, sample_weight=weights)
        assert ranking.average_precision(weights) == pytest.approx(expected)


def test_every_bootstrap_sample_holds_a_positive_row() -> None:
    label = np.array([1, *[0] * 50])
    assert all(weights[0] > 0 and weights.sum() == 51 for weights in resamples(label))


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
