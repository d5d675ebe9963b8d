"""Networks for rows of numbers: they take raw features and scale them by statistics of the training rows, which they carry."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

UNREACHED = 1e30
"""Where bins begin that a feature does not have."""


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


class Piecewise(nn.Module):
    """Scale features (N, F), and say beside it for each of ``bins`` bins of each feature, how far a row has come through it.

    The rows (N, F * (1 + bins)) that it makes have 0 for a bin that lies above the row's value, 1 for one below, and between them
    what is linear in it (piecewise linear encoding: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular
    Deep Learning", 2022). So a network need not learn thresholds. The edges are buffers, as the statistics are.
    """

    lower: Tensor
    width: Tensor

    def __init__(self, scale: Standardize, *, edges: Sequence[Sequence[float]], bins: int) -> None:
        super().__init__()
        edges_FE = torch.tensor(edges or [[0.0] * (bins + 1)] * len(scale.mean), dtype=torch.float64)
        if edges_FE.shape != (len(scale.mean), bins + 1):
            raise ValueError(
                f"a network of {bins} bins needs {bins + 1} edges for each of {len(scale.mean)} features, got {list(edges_FE.shape)}"
            )
        width_FB = edges_FE.diff(dim=1)
        self.scale = scale
        self.register_buffer("lower", torch.where(width_FB > 0, edges_FE[:, :-1], UNREACHED).float())
        self.register_buffer("width", torch.where(width_FB > 0, width_FB, 1.0).float())

    def forward(self, rows_NF: Tensor) -> Tensor:
        inside_NFB = ((rows_NF.unsqueeze(-1) - self.lower) / self.width).clamp(0.0, 1.0)
        return torch.cat([self.scale(rows_NF), inside_NFB.flatten(1)], dim=1)


class Logit(nn.Module):
    """Drop the last dimension, of size 1: one log-odds a row."""

    def forward(self, rows_N1: Tensor) -> Tensor:
        return rows_N1.squeeze(-1)


def mlp(
    *,
    mean: Sequence[float],
    std: Sequence[float],
    edges: Sequence[Sequence[float]] = (),
    bins: int = 0,
    width: int = 64,
    depth: int = 2,
    dropout: float = 0.2,
) -> nn.Module:
    """A perceptron with ``depth`` hidden layers of ``width``: rows (N, F) to log-odds (N,). With ``bins`` it sees features by bins too."""
    scale = Standardize(mean=mean, std=std)
    layers: list[nn.Module] = [Piecewise(scale, edges=edges, bins=bins) if bins else scale]
    taken = len(mean) * (1 + bins)
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
