"""Examples of steps that are not ``loss(model(x), y)``: a student that learns from a frozen teacher, and mixed samples.

    python -m tests.dlcore.own_steps

trains both on Wisconsin's tumours in this process; ``fit`` takes a DataFrame and ``workers=`` alike.
"""

from functools import partial

import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD

from dlcore import Constant, Training


class Distilled(nn.Module):
    """A student beside its frozen teacher: both are one module, whose prediction is the student's."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = nn.Linear(30, 1).requires_grad_(False)  # here one that knows: benign is what measures little
        self.teacher.weight.fill_(-0.3)
        self.student = nn.Sequential(nn.Linear(30, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.student(x)  # type: ignore[no-any-return]


def from_teacher(model: Distilled, x: Tensor, y: Tensor) -> Tensor:
    """Half of the loss is of the labels, half of what the teacher says."""
    prediction, taught = model.student(x)[:, 0], model.teacher(x)[:, 0].sigmoid()
    labels = binary_cross_entropy_with_logits(prediction, y.float())
    return 0.5 * labels + 0.5 * binary_cross_entropy_with_logits(prediction, taught)


def mixed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mixup (arXiv:1710.09412): each row is mixed with another of the worker's share, and so is its label."""
    share, other = torch.distributions.Beta(0.2, 0.2).sample((len(x), 1)), torch.randperm(len(x))
    labels = y.float()[:, None]
    prediction = model(torch.lerp(x[other], x, share))
    return binary_cross_entropy_with_logits(prediction, torch.lerp(labels[other], labels, share))


def distillation() -> Training:
    return _training(model=Distilled, step=from_teacher)


def mixup() -> Training:
    return _training(model=lambda: nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 1)), step=mixed)


_training = partial(
    Training,
    loss=binary_cross_entropy_with_logits,  # validation judges by it: loss(model(x), y)
    optimizer=partial(SGD, momentum=0.9),
    schedule=Constant(lr=0.05),
    batch=64,
    epochs=4,
    seed=3,
)

if __name__ == "__main__":
    table = load_breast_cancer(as_frame=True).frame
    measures = table.drop(columns="target")
    rows = ((measures - measures.mean()) / measures.std()).assign(benign=table["target"])
    for training in (distillation(), mixup()):
        fitted = training.fit(rows, features=list(measures.columns), label="benign", validation=rows)
        print(*fitted.history, sep="\n")
