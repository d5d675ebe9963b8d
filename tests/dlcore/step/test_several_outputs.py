"""Several inputs, outputs, losses and metrics by name: on any number of workers as on one, whatever the model gives them in."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD

from dlcore import Accuracy, Constant, LossByName, MeanAbsoluteError, MeanLoss, name_outputs
from dlcore.data.rows import Resident
from dlcore.step.method import Method
from tests.dlcore.step.ranks import resident, trained, weights


class Heads(nn.Module):
    """Two outputs of two inputs, as a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.size = nn.Linear(5, 3), nn.Linear(6, 1)

    def forward(self, x: Tensor, extra: Tensor) -> Any:
        return self.kind(x), self.size(torch.cat([x, extra[:, None]], dim=1))


class ByName(Heads):
    def forward(self, x: Tensor, extra: Tensor) -> Any:
        kind, size = super().forward(x, extra)
        return {"size": size, "kind": kind}


METHOD: dict[str, Any] = {
    "model": ByName,
    "loss": LossByName({"kind": cross_entropy, "size": mse_loss}, {"size": 0.5}),
    "optimizer": partial(SGD, momentum=0.9),
    "schedule": Constant(lr=0.2),
    "batch": 8,
    "epochs": 2,
}
METRICS = [Accuracy(of="kind"), MeanAbsoluteError(of="size"), MeanLoss(loss=mse_loss, of="size", name="size_loss")]


def rows() -> Resident:
    drawn = np.random.default_rng(2)
    x = drawn.standard_normal((20, 5), dtype=np.float32)
    table = pa.table({"x": list(x), "extra": x[:, 0], "kind": drawn.integers(0, 3, 20), "size": x.sum(1)})
    return resident(table, features={"x": "x", "extra": "extra"}, label={"kind": "kind", "size": "size"})


def named() -> nn.Module:
    return name_outputs(Heads(), "kind", "size")


@pytest.mark.parametrize("model", [ByName, named])
def test_any_number_of_workers_ends_where_one_does(model: Any) -> None:
    method = Method(**METHOD | {"model": model})
    found = [trained(method, workers, rows(), validation=rows(), metrics=METRICS)[0] for workers in (1, 3)]
    torch.testing.assert_close(weights(found[1][0]), weights(found[0][0]), rtol=1e-4, atol=1e-6)
    for one, three in zip(found[0][1], found[1][1], strict=True):
        assert list(one.metrics) == ["accuracy", "mae", "size_loss"]
        assert three.metrics == pytest.approx(one.metrics, rel=1e-4)


def test_the_loss_is_the_weighted_sum() -> None:
    method = Method(**METHOD | {"batch": 20, "epochs": 1, "model": named})
    [(_, [record])], given = trained(method, 1, rows()), rows()
    pair: Any = given.layout.pair(given.gather(np.arange(20)))
    with torch.no_grad():
        prediction = method.build()(**pair[0])
    parts = cross_entropy(prediction["kind"], pair[1]["kind"]), mse_loss(prediction["size"][:, 0], pair[1]["size"])
    assert record.loss == pytest.approx(float(parts[0] + 0.5 * parts[1]), rel=1e-5)


def pair(prediction: Tensor, target: Tensor) -> Any:
    return prediction.sum(), len(target)


@pytest.mark.parametrize(
    ("model", "loss", "sentence"),
    [
        (Heads, METHOD["loss"], r"an output of each name in \['kind', 'size'\], got tuple; models that give a tuple"),
        (lambda: name_outputs(Heads(), "kind"), METHOD["loss"], r"one output a name of \['kind'\], got 2"),
        (ByName, LossByName({"kind": cross_entropy, "box": mse_loss}), r"of each name in .*, got \['kind', 'size'\]"),
        (ByName, LossByName({"size": pair}), r"a mean over rows, got \(a tensor .* of 'size'"),
    ],
)
def test_what_has_no_name_or_is_no_mean_is_refused(model: Any, loss: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        trained(Method(**METHOD | {"model": model, "loss": loss}), 1, rows())


def test_weights_of_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights of theirs alone, got losses \['kind'\], weights \['size'\]"):
        LossByName({"kind": cross_entropy}, {"size": 1.0})
