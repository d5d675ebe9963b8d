"""Several classifiers as one: each member's log-odds corrected for its bag, probabilities averaged, the mean calibrated."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from pipelines.binary.balance import Balance


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
    fraud_N = torch.logsumexp(logsigmoid(members_MN), dim=0) - many
    normal_N = torch.logsumexp(logsigmoid(-members_MN), dim=0) - many
    return fraud_N - normal_N


def assembled(build: Callable[..., nn.Module], arguments: Mapping[str, Any], members: Sequence[Path]) -> Ensemble:
    """Load members' weights and balances from their folders into the ensemble that ``build`` makes for so many."""
    module = build(**arguments, members=len(members))
    if not isinstance(module, Ensemble):
        raise TypeError(f"an ensemble's builder must return an Ensemble, got {type(module).__name__}")
    for part, folder in zip(module.members, members, strict=True):
        part.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
    shifts = [balance(folder).shift for folder in members]
    module.shift.copy_(torch.tensor(shifts, dtype=torch.float64))
    return module.eval()


def balance(folder: Path) -> Balance:
    """Read what a member's draw did to the base rate."""
    return Balance(**json.loads((folder / "balance.json").read_text()))
