"""Networks for rows of numbers: they take raw features and scale them by statistics of the training rows, which they carry."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """Scale features (N, F) to mean 0 and deviation 1, and clip them ``limit`` deviations out; the statistics are buffers."""

    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: Sequence[float], std: Sequence[float], limit: float = 10.0) -> None:
        super().__init__()
        if len(mean) != len(std) or not mean:
            raise ValueError(f"Standardize needs one mean and deviation a feature, got {len(mean)} and {len(std)}")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        self.limit = limit

    def forward(self, rows_NF: Tensor) -> Tensor:
        return ((rows_NF - self.mean) / self.std).clamp(-self.limit, self.limit)


class Logit(nn.Module):
    """Drop the last dimension, of size 1: one log-odds a row."""

    def forward(self, rows_N1: Tensor) -> Tensor:
        return rows_N1.squeeze(-1)


def mlp(
    *, mean: Sequence[float], std: Sequence[float], width: int = 64, depth: int = 2, dropout: float = 0.2
) -> nn.Module:
    """A perceptron with ``depth`` hidden layers of ``width``: rows (N, F) to log-odds (N,)."""
    layers: list[nn.Module] = [Standardize(mean=mean, std=std)]
    taken = len(mean)
    for _ in range(depth):
        layers += [nn.Linear(taken, width), nn.ReLU(), nn.Dropout(dropout)]
        taken = width
    return nn.Sequential(*layers, nn.Linear(taken, 1), Logit())


def cnn(
    *, mean: Sequence[float], std: Sequence[float], width: int = 16, depth: int = 2, dropout: float = 0.2
) -> nn.Module:
    """A convolutional network along the features, ``depth`` layers of ``width`` channels: rows (N, F) to log-odds (N,)."""
    layers: list[nn.Module] = [Standardize(mean=mean, std=std), nn.Unflatten(1, (1, len(mean)))]
    taken = 1
    for _ in range(depth):
        layers += [nn.Conv1d(taken, width, kernel_size=3, padding=1), nn.ReLU()]
        taken = width
    head = [nn.Flatten(), nn.Dropout(dropout), nn.Linear(width * len(mean), 64), nn.ReLU(), nn.Linear(64, 1), Logit()]
    return nn.Sequential(*layers, *head)
