"""Weights of a file: a state dict, by a format that runs no code."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

FORMATS = (".safetensors", ".pt", ".pth")


def read_state(file: str | Path) -> dict[str, Tensor]:
    """The tensors by name in a ``.safetensors`` file, or a state dict that ``torch.save`` wrote (read by ``weights_only``)."""
    file = Path(file)
    if file.suffix not in FORMATS:
        raise ValueError(f"weights are read from files that end in {', '.join(FORMATS)}, got {file}")
    if file.suffix == ".safetensors":
        return load_file(file)
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(
            f"{file} must hold a state dict (tensors by name), got {type(state).__name__}; save model.state_dict()"
        )
    return dict(state)
