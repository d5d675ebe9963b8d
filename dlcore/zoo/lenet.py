"""LeNet-5 (LeCun et al., 1998) for pictures of 28 x 28 grey pixels and ten classes."""

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
