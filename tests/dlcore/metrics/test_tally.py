"""States are joined to the same figures however rows are shared out, by batches, workers and metrics of a user's own."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import SGD

from dlcore import Accuracy, AveragePrecision, Constant, MeanLoss, Metric
from dlcore.data.rows import Resident
from dlcore.metrics.metric import State, joined
from dlcore.metrics.tally import Tally
from dlcore.step.method import Method
from tests.dlcore.step.ranks import resident, trained

METRICS = (AveragePrecision(), Accuracy(), MeanLoss(loss=binary_cross_entropy_with_logits))


def scored(count: int = 500) -> tuple[Tensor, Tensor]:
    """Scores with many ties, and the classes of their rows."""
    scores = (torch.randn(count, 1, generator=torch.Generator().manual_seed(1)) * 4).round() / 4
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(2))
    return scores, (scores + noise > 1).float()


def tallied(batches: Sequence[tuple[Any, Any]], metrics: Sequence[Metric] = METRICS) -> Tally:
    tally = Tally(metrics)
    for prediction, target in batches:
        tally.add(prediction, target)
    return tally


def test_the_figures_are_those_of_scikit_learn() -> None:
    scores, classes = scored()
    found = tallied([(scores, classes)]).results()
    assert found["average_precision"] == pytest.approx(average_precision_score(classes[:, 0], scores[:, 0]), abs=1e-12)
    assert found["accuracy"] == accuracy_score(classes[:, 0], scores[:, 0] > 0)
    assert found["loss"] == float(binary_cross_entropy_with_logits(scores, classes))


@pytest.mark.parametrize("seed", range(5))
def test_counts_and_lists_are_the_same_bits_for_any_sharing_and_order(seed: int) -> None:
    scores, classes = scored()
    whole = tallied([(scores, classes)], METRICS[:2]).results()
    chance = random.Random(seed)
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(seed))
    cuts = sorted(chance.sample(range(1, len(scores)), 11))
    batches = list(zip(scores[order].tensor_split(cuts), classes[order].tensor_split(cuts), strict=True))
    everyone = Tally(METRICS[:2])
    for mine in (batches[:3], [], batches[3:10], batches[10:]):
        everyone.add_bytes(tallied(mine, METRICS[:2]).to_bytes())
    assert everyone.results() == whole


def test_classes_rows_that_do_not_count_and_outputs_by_name() -> None:
    outputs = {"kind": torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 1, 2]]), "fraud": torch.tensor([0.6, 0.4, 0.7])}
    targets = {"kind": torch.tensor([0, 1, -100]), "fraud": torch.tensor([1.0, 1.0, 0.0])}
    metrics = (Accuracy(of="kind", name="kinds"), Accuracy(of="fraud", threshold=0.5), AveragePrecision(of="fraud"))
    found = tallied([(outputs, targets)], metrics).results()
    assert found == pytest.approx({"kinds": 1 / 2, "accuracy": 1 / 3, "average_precision": (1 / 2 + 2 / 3) / 2})
    with pytest.raises(TypeError, match="say of= which, got dict"):
        tallied([(outputs, targets)])
    weighed = MeanLoss(loss=nn.CrossEntropyLoss(torch.tensor([1.0, 3.0, 1.0])), name="weighed")
    pair = outputs["kind"], targets["kind"]
    assert tallied([pair], [weighed]).results()["weighed"] == pytest.approx(
        float(cross_entropy(*pair, weight=torch.tensor([1.0, 3.0, 1.0])))
    )


@dataclass(frozen=True)
class Largest:
    """A metric of a user's own, of several figures."""

    name: str = "largest"
    higher_is_better: bool = True

    def update(self, prediction: Any, target: Any) -> State:
        return {"largest": prediction.max().reshape(1)}

    def merge(self, states: Sequence[State]) -> State:
        return {"largest": joined(states)["largest"].max().reshape(1)}

    def result(self, state: State) -> dict[str, float]:
        return {"largest": float(state["largest"]), "largest/half": float(state["largest"]) / 2}


METHOD: dict[str, Any] = {
    "model": lambda: nn.Linear(5, 1),
    "loss": binary_cross_entropy_with_logits,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.2),
    "batch": 16,
    "epochs": 2,
}


def rows(count: int) -> Resident:
    x = np.random.default_rng(4).standard_normal((count, 5), dtype=np.float32)
    return resident(pa.table({"x": list(x), "y": (x.sum(axis=1) > 1).astype(int)}))


@pytest.mark.parametrize("held_out", [70, 2])
def test_every_rank_finds_the_figures_of_one_worker(held_out: int) -> None:
    several = [
        trained(Method(**METHOD), workers, rows(70), validation=rows(held_out), metrics=(*METRICS, Largest()))
        for workers in (1, 2, 3)
    ]
    one = [record.metrics for record in several[0][0][1]]
    assert [*one[0]] == ["average_precision", "accuracy", "loss", "largest", "largest/half"]
    for ranks in several:
        for _, told in ranks:
            assert [record.metrics for record in told] == [pytest.approx(figures, rel=1e-4) for figures in one]
            assert [record.metrics["loss"] for record in told] == pytest.approx([r.validation for r in told])
    assert "average_precision 0." in str(several[0][0][1][0])


def test_a_worker_validates_no_more_rows_at_a_time_than_it_trains_on() -> None:
    seen: list[int] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    def largest(**changes: Any) -> int:
        seen.clear()
        trained(Method(**METHOD | {"model": lambda: Watched(5, 1)} | changes), 2, rows(70), validation=rows(70))
        return max(seen)

    assert (largest(), largest(micro_batch=3)) == (8, 3)


def test_a_name_is_one_metrics_own() -> None:
    from dlcore import Training

    with pytest.raises(ValueError, match=r"names of their own, got \['accuracy', 'accuracy'\]"):
        Training(**METHOD, metrics=(Accuracy(of="a"), Accuracy(of="b")))
    with pytest.raises(ValueError, match=r"give fit a validation= for \['accuracy'\]"):
        Training(**METHOD, metrics=(Accuracy(),)).fit(pa.table({"x": [1.0], "y": [1]}), features=["x"], label="y")
