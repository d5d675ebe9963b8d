"""Several classifiers as one: each member's log-odds corrected for its bag, probabilities averaged, the mean calibrated."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from pipelines.binary.models.balance import Balance
from pipelines.binary.models.fitting import Network

MODEL = "ensemble"
"""What an artifact calls the model that ``rebuilt`` makes."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A fitted member: its weights' folder, what its network is rebuilt from, and what its draw did to the base rate."""

    folder: Path
    network: str
    features: int
    arguments: Mapping[str, Any]
    balance: Balance

    @property
    def form(self) -> dict[str, Any]:
        """What ``rebuilt`` makes the network of."""
        return {"network": self.network, "features": self.features, "arguments": dict(self.arguments)}


class Ensemble(nn.Module):
    """Maps rows (N, F) to calibrated probabilities (N,).

    ``shift`` holds what a member's log-odds lack since its bag changed the base rate; ``calibration`` is Platt's slope and
    intercept on the log-odds of the mean. Both are buffers, so they are saved with the weights.
    """

    shift: Tensor
    calibration: Tensor

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member, got none")
        self.members = nn.ModuleList(members)
        self.register_buffer("shift", torch.zeros(len(members), dtype=torch.float64))
        self.register_buffer("calibration", torch.tensor([1.0, 0.0], dtype=torch.float64))

    def forward(self, rows_NF: Tensor) -> Tensor:
        return self.probability(self.each(rows_NF))

    def log_odds(self, rows_NF: Tensor) -> Tensor:
        """The log-odds (N,) of the members' mean probability, before calibration."""
        return averaged(self.each(rows_NF))

    def probability(self, members_MN: Tensor) -> Tensor:
        """The calibrated probabilities (N,) of rows for which the members give these log-odds."""
        slope, intercept = self.calibration
        return torch.sigmoid(slope * averaged(members_MN) + intercept)

    def each(self, rows_NF: Tensor) -> Tensor:
        """Every member's log-odds (M, N) at the base rate before its draw."""
        logits_MN = torch.stack([member(rows_NF).reshape(-1) for member in self.members])
        return logits_MN.double() + self.shift[:, None]


def averaged(members_MN: Tensor) -> Tensor:
    """The log-odds (N,) of the mean of the members' probabilities; exact where a probability is near 0 or 1."""
    many = math.log(len(members_MN))
    positive_N = torch.logsumexp(logsigmoid(members_MN), dim=0) - many
    negative_N = torch.logsumexp(logsigmoid(-members_MN), dim=0) - many
    return positive_N - negative_N


def logsigmoid(log_odds: Tensor) -> Tensor:
    """The logarithm of a probability, by log-odds: as torch's own, of which OpenVINO makes log(sigmoid), and that is log(0) below -87."""
    return log_odds.clamp(max=0) - torch.log1p(torch.exp(-log_odds.abs()))


def rebuilt(networks: Mapping[str, Network], *, members: Sequence[Mapping[str, Any]]) -> Ensemble:
    """The ensemble of these members' forms, each of its own kind, whose tensors are still to be loaded."""
    return Ensemble([_network(networks, **form) for form in members])


def models(networks: Mapping[str, Network]) -> dict[str, Callable[..., nn.Module]]:
    """What an artifact's model is made by."""
    return {MODEL: partial(rebuilt, networks)}


def _network(
    networks: Mapping[str, Network], *, network: str, features: int, arguments: Mapping[str, Any]
) -> nn.Module:
    return networks[network](mean=[0.0] * features, std=[1.0] * features, **arguments)


def assembled(networks: Mapping[str, Network], members: Sequence[Member]) -> Ensemble:
    """Load the members' weights into the ensemble that they make."""
    module = rebuilt(networks, members=[member.form for member in members])
    for part, member in zip(module.members, members, strict=True):
        part.load_state_dict(safetensors.torch.load_file(member.folder / "weights.safetensors"))
    module.shift.copy_(torch.tensor([member.balance.shift for member in members], dtype=torch.float64))
    return module.eval()
