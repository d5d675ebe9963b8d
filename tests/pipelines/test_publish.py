"""The champion moves only where the interval of the challenger's lead lies beyond chance; the rule reads the metric's direction."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from torch.nn.functional import binary_cross_entropy_with_logits

from dlcore import Artifact, AveragePrecision, MeanLoss
from pipelines.outcome import Outcome
from pipelines.publish import Compare, Incomparable, Lead, Publish, Published
from pipelines.registry import Registry
from tests.pipelines.test_registry import artifact


def lead(low: float, high: float, *, higher_is_better: bool = True) -> Compare:
    """A meeting that ends with this interval."""

    def compare(_: SparkSession | None, champion: Artifact, challenger: Artifact) -> Lead:
        return Lead(
            metric=AveragePrecision() if higher_is_better else MeanLoss(loss=binary_cross_entropy_with_logits),
            champion=0.8,
            challenger=0.8 + (low + high) / 2,
            low=low,
            high=high,
            confidence=0.95,
            rows=600,
        )

    return compare


def never(_: SparkSession | None, champion: Artifact, challenger: Artifact) -> Lead:
    raise Incomparable("no test row lies outside of what it has seen")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(folder=tmp_path / "registry")


def publish(made: Artifact, registry: Registry, compare: Compare = never, run: str = "a run") -> Outcome:
    return Publish(candidate=Path(made.folder), registry=registry, compare=compare, run_id=run).run(None)


def test_the_first_candidate_becomes_champion(tmp_path: Path, registry: Registry) -> None:
    found = publish(artifact(tmp_path, 0.5), registry)
    left = found.left(Published)
    assert left.moved and registry.champion().id == left.version == left.champion
    assert registry.pointers().moves[0].by == "a run"
    assert found.facts == {"Model": f"{left.version[:12]} (became champion)"}


def test_publishing_again_changes_nothing_and_says_the_same(tmp_path: Path, registry: Registry) -> None:
    made = artifact(tmp_path, 0.5)
    first = publish(made, registry)
    before = registry.pointers()
    found = publish(made, registry)
    assert (found.summary, found.result) == (first.summary, first.result) and found.left(Published).moved
    assert registry.pointers() == before and len(registry.versions()) == 1


def test_another_run_with_the_same_candidate_has_not_moved_the_champion(tmp_path: Path, registry: Registry) -> None:
    made = artifact(tmp_path, 0.5)
    publish(made, registry)
    found = publish(made, registry, run="another run")
    assert not found.left(Published).moved and "champion already" in found.summary


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "moves"),
    [
        (0.001, 0.02, True, True),
        (-0.001, 0.03, True, False),  # better, and perhaps by chance
        (-0.03, -0.01, True, False),
        (-0.03, -0.01, False, True),
        (-0.03, 0.001, False, False),
        (0.001, 0.02, False, False),
    ],
)
def test_only_a_lead_beyond_chance_moves_it(
    tmp_path: Path, registry: Registry, low: float, high: float, higher_is_better: bool, moves: bool
) -> None:
    publish(artifact(tmp_path, 0.5), registry)
    found = publish(artifact(tmp_path, 0.6), registry, lead(low, high, higher_is_better=higher_is_better))
    assert found.left(Published).moved is moves
    assert ("may be chance" in found.summary) is not moves
    assert f"{low:+.4f} to {high:+.4f}" in found.summary and "600 rows that neither has seen" in found.summary
    assert len(registry.versions()) == 2


def test_models_that_cannot_meet_leave_the_champion_and_say_why(tmp_path: Path, registry: Registry) -> None:
    champion = publish(artifact(tmp_path, 0.5), registry).left(Published).version
    found = publish(artifact(tmp_path, 0.6), registry, never)
    assert "could not meet the champion: no test row lies outside" in found.summary
    assert registry.champion().id == champion


def test_a_pinned_champion_stays_and_the_sentence_says_so(tmp_path: Path, registry: Registry) -> None:
    champion = publish(artifact(tmp_path, 0.5), registry).left(Published).version
    registry.pin(champion)
    found = publish(artifact(tmp_path, 0.6), registry, lead(0.1, 0.2))
    assert "the champion is pinned" in found.summary and registry.champion().id == champion
