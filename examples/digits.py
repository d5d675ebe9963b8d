"""Handwritten digits of 8 x 8 pixels (scikit-learn has them), and what the examples of transfer learning do with a network of them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim import AdamW

from dlcore import Accuracy, Constant, Field, Fitted, Training

plan = partial(Training, optimizer=AdamW, schedule=Constant(lr=3e-3), batch=64, epochs=8, metrics=[Accuracy()])
"""``fit`` trains in this process; given a Spark DataFrame and ``workers=``, on the cluster."""


class Siamese(nn.Module):
    """The logit of two pictures' being of one class: a linear function of how far their features lie apart."""

    def __init__(self, features: nn.Module, width: int) -> None:
        super().__init__()
        self.features, self.end = features, nn.Linear(width, 1)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.end((self.features(one) - self.features(other)).abs())  # type: ignore[no-any-return]


def pictures() -> pd.DataFrame:
    digits = load_digits()
    return pd.DataFrame({"pixels": [*(digits.data / 16).astype(np.float32)], "digit": digits.target})


def pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Each picture beside one of the same digit and one of any digit."""
    alike, any_one = rows.groupby("digit").sample(frac=1, random_state=1), rows.sample(frac=1, random_state=2)
    ordered = rows.sort_values("digit", kind="stable")
    both = [pd.concat({"one": ordered.reset_index(), "other": each.reset_index()}, axis=1) for each in (alike, any_one)]
    found = pd.concat(both, ignore_index=True)
    same = (found["one", "digit"] == found["other", "digit"]).astype(int)
    return pd.DataFrame({"one": found["one", "pixels"], "other": found["other", "pixels"], "same": same})


def classified(model: Callable[[], nn.Module], shape: tuple[int, ...], digits: range = range(10)) -> Fitted:
    """A classifier of these digits, trained on two thirds of their pictures and judged on the others."""
    rows = pictures()
    rows = rows[rows["digit"].isin(digits)]
    train, test = rows[rows.index % 3 > 0], rows[rows.index % 3 == 0]
    given = Field("pixels", shape=shape)
    return plan(model=model, loss=cross_entropy).fit(train, features=given, label="digit", validation=test)


def compared(model: Callable[[], nn.Module], shape: tuple[int, ...]) -> Fitted:
    """A judge of pairs, trained on those of two thirds of the pictures and judged on those of the others."""
    rows = pictures()
    train, test = (pairs(rows[chosen]) for chosen in (rows.index % 3 > 0, rows.index % 3 == 0))
    given = {name: Field(name, shape=shape) for name in ("one", "other")}
    loss = binary_cross_entropy_with_logits
    return plan(model=model, loss=loss).fit(train, features=given, label="same", validation=test)
