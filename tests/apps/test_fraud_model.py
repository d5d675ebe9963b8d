"""A setting of fraud says which optimizer it is of, and its rate follows the batch by that optimizer's rule."""

import pytest
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from apps.fraud.model import MLP, training


@pytest.mark.parametrize(
    ("other", "optimizer", "ratio"),
    [({}, AdamW, 2), ({"optimizer": "sgd"}, SGD, 4), ({"optimizer": "adamw"}, AdamW, 2)],
)
def test_a_rate_follows_the_batch_by_its_optimizers_rule(
    other: dict[str, str], optimizer: type[Optimizer], ratio: int
) -> None:
    found = training({**MLP, **other}, lambda: nn.Linear(2, 1), 4096, batch=1024, epochs=5, seed=1)
    made = found.optimize(found.build())
    assert type(made) is optimizer and made.defaults["weight_decay"] == MLP["weight_decay"]
    assert max(found.schedule(step) for step in range(20)) == pytest.approx(ratio * MLP["lr"])
