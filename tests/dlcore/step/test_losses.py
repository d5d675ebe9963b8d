"""Losses whose mean is not over rows: any number of workers ends where one does, and the reported losses agree."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss, nll_loss
from torch.optim import SGD, Adam

from dlcore import ClipNorm, Constant
from dlcore.data.rows import Resident
from dlcore.step.losses import recognised
from dlcore.step.method import Method
from tests.dlcore.step.ranks import resident, trained, weights

CLASSES = torch.tensor([0.1, 1.0, 9.0])


def rows(*, ignored: bool = False, seed: int = 4, count: int = 70) -> Resident:
    """Three classes, far from evenly spread over the rows; of some the class is not known."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 5), dtype=np.float32)
    y = np.minimum(generator.geometric(0.6, count) - 1, 2)
    if ignored:
        y[generator.random(count) < np.linspace(0, 1, count)] = -100
    return resident(pa.table({"x": list(x), "y": y}))


METHOD: dict[str, Any] = {
    "model": lambda: nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)),
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.2),
    "batch": 16,
    "epochs": 4,
}


def sum_and_weight(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return cross_entropy(prediction, target, weight=CLASSES, reduction="sum"), CLASSES[target].sum()


def log_likelihood(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return nll_loss(log_softmax(prediction, 1), target, CLASSES, reduction="sum"), CLASSES[target].sum()


LOSSES = {
    "pair": sum_and_weight,
    "pair of another": log_likelihood,
    "weight": nn.CrossEntropyLoss(weight=CLASSES),
    "weight and smoothing": nn.CrossEntropyLoss(CLASSES, label_smoothing=0.1),
    "ignored": nn.CrossEntropyLoss(),
    "function": partial(cross_entropy, weight=CLASSES),
    "plain function, ignored": cross_entropy,
}


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("changes", [{}, {"clip": ClipNorm(0.3), "optimizer": Adam}])
def test_any_number_of_workers_ends_where_one_does(kind: str, changes: dict[str, Any]) -> None:
    method = Method(**METHOD | {"loss": LOSSES[kind]} | changes)
    found = [
        trained(method, workers, rows(ignored="ignored" in kind), validation=rows(ignored="ignored" in kind, seed=5))
        for workers in (1, 2, 3)
    ]
    for several in found[1:]:
        torch.testing.assert_close(weights(several[0][0]), weights(found[0][0][0]), rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(several[0][1], found[0][0][1], strict=True):
            assert (ours.loss, ours.validation) == pytest.approx((theirs.loss, theirs.validation), rel=1e-4)


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"micro_batch": 3}, {}])
def test_bf16_micro_batches_and_a_sharded_optimizer_divide_alike(changes: dict[str, Any]) -> None:
    plain = Method(**METHOD | {"loss": LOSSES["weight"], "precision": changes.get("precision", "float32")})
    one, _ = trained(plain, 1, rows())[0]
    several = trained(Method(**METHOD | {"loss": LOSSES["weight"]} | changes), 3, rows(), sharded=True)
    rounding = 0.03 if "precision" in changes else 1e-5
    torch.testing.assert_close(weights(several[0][0]), weights(one), rtol=1e-4, atol=rounding)


def test_a_step_that_has_no_weight_changes_nothing_and_a_worker_that_has_none_is_no_matter() -> None:
    decaying = METHOD | {"loss": cross_entropy, "optimizer": partial(SGD, weight_decay=0.5), "batch": 2, "epochs": 1}
    table = pa.table({"x": list(np.ones((4, 5), np.float32)), "y": [-100, -100, 1, -100]})
    method, rows_here = Method(**decaying), resident(table)
    order = trained(method, 1, rows_here, stop_after=1)[0][0]._order
    silent = [step for step in range(2) if 2 not in order.at(step)]
    before = torch.cat([each.detach().reshape(-1) for each in method.build().parameters()])
    first = trained(method, 2, rows_here, stop_after=1)[0][0]
    assert torch.equal(weights(first), before) == (silent == [0])
    ends = [trained(method, workers, rows_here)[0] for workers in (1, 2, 3)]
    for engine, [record] in ends:
        torch.testing.assert_close(weights(engine), weights(ends[0][0]))
        assert record.loss == pytest.approx(ends[0][1][0].loss)


def test_models_of_half_precision_sum_their_weights_exactly() -> None:
    generator = np.random.default_rng(1)
    table = pa.table({"x": list(generator.standard_normal((2051, 4), dtype=np.float32)), "y": [0] * 2051})

    def counted(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return prediction.float().sum() * 0 + 2 * 2051, torch.ones(len(target)).sum()

    half = {"model": lambda: nn.Linear(4, 1).bfloat16(), "precision": "bfloat16", "batch": 2051, "epochs": 1}
    [(_, [record])] = trained(Method(**METHOD | half | {"loss": counted}), 1, resident(table))
    assert record.loss == 2.0


def hidden(prediction: Tensor, target: Tensor) -> Tensor:
    return 0.5 * cross_entropy(prediction, target, weight=CLASSES)


def weighted_error(prediction: Tensor, target: Tensor) -> Tensor:
    return mse_loss(prediction[:, 0], target.float(), weight=target.float())  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (hidden, "the mean of cross_entropy with weights or ignored rows is not one over rows"),
        (lambda p, t: nll_loss(p.log_softmax(1), torch.where(t == 2, -100, t)), "the mean of nll_loss with weights or"),
        (weighted_error, "the mean of mse_loss with weights"),
        (lambda p, t: cross_entropy(p, t, reduction="sum"), 'reduction="sum" depends on the size of the batch'),
        (lambda p, t: cross_entropy(p, t, reduction="none"), r"got a tensor of shape \[16\]"),
        (lambda p, t: (p.sum(), p.sum(), p.sum()), r"got \(a tensor of shape \[\], a tensor"),
        (lambda p, t: (p.sum(), torch.tensor(-1.0)), "weight of zero or more, got -1.0"),
    ],
)
def test_what_would_train_otherwise_with_other_workers_is_refused(loss: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        trained(Method(**METHOD | {"loss": loss}), 1, rows())


@pytest.mark.parametrize("loss", [nn.MSELoss(reduction="sum"), partial(cross_entropy, reduction="sum")])
def test_a_sum_is_refused_before_anything_is_done(loss: Any) -> None:
    with pytest.raises(ValueError, match=r'Training\.loss: a loss with reduction="sum"'):
        Method(**METHOD | {"loss": loss})


def test_class_weights_over_probabilities_are_a_mean_over_rows_as_in_torch() -> None:
    prediction, target = torch.randn(6, 3), torch.rand(6, 3)
    loss = nn.CrossEntropyLoss(CLASSES)
    assert torch.equal(recognised(loss)(prediction, target), loss(prediction, target))  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(CLASSES, ignore_index=1, label_smoothing=0.2), cross_entropy])
def test_sequences_with_masked_places_are_as_in_torch(loss: Any) -> None:
    prediction, target = torch.randn(4, 3, 5), torch.randint(0, 3, (4, 5))
    target[0] = 1 if isinstance(loss, nn.Module) else -100
    total, weight = recognised(loss)(prediction, target)
    torch.testing.assert_close(total / weight, loss(prediction, target))
