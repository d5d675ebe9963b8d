"""Classifiers of pictures: LeNet-5 (LeCun et al., 1998) and Inception v1 (arXiv:1409.4842)."""

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    """LeNet-5 on rows of 784 pixels, in whatever shape (44,426 parameters)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2)],
            *[nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2)],
            *[nn.Flatten(), nn.Linear(256, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)],
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(-1, 1, 28, 28) / 255)  # type: ignore[no-any-return]


class Branches(nn.Module):
    """An inception block (arXiv:1409.4842): four branches side by side, joined over channels."""

    def __init__(self, before: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                convolution(before, one, 1),
                nn.Sequential(convolution(before, three[0], 1), convolution(three[0], three[1], 3, padding=1)),
                nn.Sequential(convolution(before, five[0], 1), convolution(five[0], five[1], 5, padding=2)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(before, pool, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def convolution(before: int, after: int, size: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, size, stride, padding), nn.ReLU(inplace=True))


def pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def inception() -> nn.Module:
    """Inception v1 without its auxiliary heads, for rows of 3 x 224 x 224 numbers and 1000 classes."""
    return nn.Sequential(
        nn.Unflatten(1, (3, 224, 224)),
        *[convolution(3, 64, 7, stride=2, padding=3), pool(), nn.LocalResponseNorm(5)],
        *[convolution(64, 64, 1), convolution(64, 192, 3, padding=1), nn.LocalResponseNorm(5), pool()],
        Branches(192, 64, (96, 128), (16, 32), 32),
        Branches(256, 128, (128, 192), (32, 96), 64),
        pool(),
        Branches(480, 192, (96, 208), (16, 48), 64),
        Branches(512, 160, (112, 224), (24, 64), 64),
        Branches(512, 128, (128, 256), (24, 64), 64),
        Branches(512, 112, (144, 288), (32, 64), 64),
        Branches(528, 256, (160, 320), (32, 128), 128),
        pool(),
        Branches(832, 256, (160, 320), (32, 128), 128),
        Branches(832, 384, (192, 384), (48, 128), 128),
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, 1000)],
    )
