"""A step of one's own, and micro-batches: the example's programs learn, and what is accumulated is what the whole batch gives."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import SGD

from dlcore import Accuracy, ClipNorm, Constant, Training
from dlcore.data.rows import Resident
from dlcore.step.method import Method
from tests.dlcore import own_steps
from tests.dlcore.step.ranks import resident, trained, weights

CLASSES = torch.tensor([0.1, 1.0, 9.0])
METHOD: dict[str, Any] = {
    "model": lambda: nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)),
    "loss": cross_entropy,
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.2),
    "clip": ClipNorm(0.5),
    "batch": 16,
    "epochs": 2,
}


def rows(count: int = 70) -> Resident:
    generator = np.random.default_rng(4)
    x = generator.standard_normal((count, 5), dtype=np.float32)
    return resident(pa.table({"x": list(x), "y": np.minimum(generator.geometric(0.6, count) - 1, 2)}))


@pytest.mark.parametrize("loss", [cross_entropy, nn.CrossEntropyLoss(CLASSES)])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("micro_batch", [1, 4, 5, 99])
def test_micro_batches_give_what_the_whole_batch_gives(loss: Any, workers: int, micro_batch: int) -> None:
    method = METHOD | {"loss": loss}
    whole, told = trained(Method(**method), 1, rows(), validation=rows(20))[0]
    parts = trained(Method(**method, micro_batch=micro_batch), workers, rows(), validation=rows(20))
    for engine, records in parts:
        torch.testing.assert_close(weights(engine), weights(whole), rtol=1e-4, atol=1e-6)
        assert [r.validation for r in records] == pytest.approx([r.validation for r in told], rel=1e-5)
    assert [r.loss for r in parts[0][1]] == pytest.approx([r.loss for r in told], rel=1e-5)


def test_no_more_rows_than_a_micro_batch_are_in_the_model_and_every_worker_makes_as_many_passes() -> None:
    seen: list[int] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    method = METHOD | {"model": lambda: Watched(5, 3), "batch": 7, "epochs": 1}
    trained(Method(**method, micro_batch=3), 2, rows(7))
    assert sorted(seen) == [1, 2, 2, 2], "shares of 4 and 3 rows, two passes each"


def weighted_step(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return cross_entropy(model(x), y, CLASSES, reduction="sum"), CLASSES[y].sum()


@pytest.mark.parametrize("changes", [{}, {"micro_batch": 3}, {"precision": "bfloat16"}])
def test_a_step_of_ones_own_is_summed_and_divided_as_a_loss(changes: dict[str, Any]) -> None:
    loss = trained(Method(**METHOD | {"loss": nn.CrossEntropyLoss(CLASSES)}), 1, rows())[0][0]
    [*found] = trained(Method(**METHOD | {"step": weighted_step} | changes), 3, rows())
    rounding = 0.05 if "precision" in changes else 1e-5
    torch.testing.assert_close(weights(found[0][0]), weights(loss), rtol=1e-4, atol=rounding)


def test_a_step_is_watched_as_a_loss_is() -> None:
    def hidden(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(model(x), y, CLASSES)

    with pytest.raises(ValueError, match="the mean of cross_entropy with weights"):
        trained(Method(**METHOD | {"step": hidden}), 1, rows())


@pytest.mark.parametrize("example", [own_steps.distillation, own_steps.mixup])
def test_the_examples_learn_and_go_on_where_they_were(example: Any, tumours: pd.DataFrame, tmp_path: Any) -> None:
    training: Training = example()
    given: dict[str, Any] = {
        "features": [name for name in tumours.columns if name != "benign"],
        "label": "benign",
        "validation": tumours,
    }
    whole = training.fit(tumours, **given)
    assert whole.evaluate(tumours, [Accuracy()])["accuracy"] > 0.9
    training.fit(tumours, **given, folder=str(tmp_path), on_progress=lambda record: record.epoch == 2)
    rest = training.fit(tumours, **given, folder=str(tmp_path))
    for one, two in zip(whole.module.parameters(), rest.module.parameters(), strict=True):
        assert torch.equal(one, two), "random numbers of a step are a function of its number"


def test_the_teacher_of_the_example_stays_as_it_is(tumours: pd.DataFrame) -> None:
    training = own_steps.distillation()
    before = [each.clone() for each in training.build().teacher.parameters()]  # type: ignore[union-attr]
    names = [name for name in tumours.columns if name != "benign"]
    module = training.fit(tumours, features=names, label="benign").module
    assert all(map(torch.equal, before, module.teacher.parameters()))  # type: ignore[union-attr]


def test_micro_batches_of_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Training\.micro_batch must be at least 1, got 0"):
        Training(**METHOD | {"loss": binary_cross_entropy_with_logits}, micro_batch=0)


@pytest.mark.parametrize("workers", [2, 5])
def test_synchronised_batch_normalisation_and_micro_batches_meet_in_each_pass(workers: int) -> None:
    """Shares of the last batch differ, and of five workers' some have fewer rows than passes, or none."""
    changes: dict[str, Any] = {
        "model": lambda: nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3)),
        "sync_batchnorm": True,
        "micro_batch": 2,
        "loss": nn.CrossEntropyLoss(CLASSES),
    }
    found = [engine for engine, _ in trained(Method(**METHOD | changes), workers, rows(67))]
    for engine in found[1:]:
        assert all(map(torch.equal, engine.model.state_dict().values(), found[0].model.state_dict().values()))
    assert all(bool(each.isfinite().all()) for each in found[0].model.state_dict().values())
