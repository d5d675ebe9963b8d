"""Weights to begin with: found by name, renamed by rule, refused where names, shapes or kinds do not fit, and part of the settings."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD

from dlcore import Constant, Folder, Start, Training
from dlcore.run.start import Weights, digest


def network(classes: int = 1) -> nn.Module:
    body = nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU())
    return nn.ModuleDict({"body": body, "head": nn.Linear(8, classes)})


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Sequential(nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU()), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))  # type: ignore[no-any-return]


def training(**changes: Any) -> Training:
    known: dict[str, Any] = {
        "model": Network,
        "loss": binary_cross_entropy_with_logits,
        "optimizer": partial(SGD),
        "batch": 64,
    }
    return Training(**known | {"schedule": Constant(lr=0.05), "epochs": 2, "seed": 3} | changes)


def other() -> dict[str, torch.Tensor]:
    """Weights of a network of three classes, by names that are not the model's."""
    torch.manual_seed(8)
    return network(3).state_dict()


RULE: dict[str, Any] = {"rename": {"body.": "backbone."}, "new": ["head."], "unused": ["head."]}


@pytest.mark.parametrize("kind", ["dict", "file", "folder", "module", "uri"])
def test_weights_come_from_anywhere(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(8)
    module = Network()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    given: dict[str, Weights] = {
        "dict": module.state_dict(),
        "file": f"{tmp_path}/weights.safetensors",
        "folder": Folder(str(tmp_path)),
        "module": module,
        "uri": f"file://{tmp_path}/weights.safetensors",
    }
    found = Start.of(given[kind]).fitting(Network())
    assert digest(found) == digest(module.state_dict()) != digest(Network().state_dict())


def test_names_are_mapped_by_the_longest_rule() -> None:
    found = Start(weights=other(), **RULE).fitting(Network())
    assert found.keys() == {name for name in Network().state_dict() if name.startswith("backbone.")}
    numbered = {name.removeprefix("body."): each for name, each in other().items() if name.startswith("body.")}
    longest = Start(weights=numbered, rename={"": "backbone.", "0.weight": "backbone.0.weight"}, new=["head."])
    assert digest(longest.fitting(Network())) == digest(found)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"new": []}, r"\['head.bias', 'head.weight'\] are missing; map theirs"),
        ({"new": ["head.weight"]}, r"\['head.bias'\] are missing"),
        ({"new": ["hea"]}, r"\['head.bias', 'head.weight'\] are missing"),
        ({"unused": []}, r"head.weight is torch.float32\[3, 8\], the model's torch.float32\[1, 8\]"),
        ({"rename": {}}, "are missing"),
        ({"rename": {"body.": "backbone.", "head.": "top."}, "unused": []}, r"\['top.bias', 'top.weight'\] are not"),
        ({"rename": {"body.0.bias": "a", "body.1.bias": "a"}}, "each weight a name of its own"),
        (
            {"weights": "/nowhere/model.pt"},
            "must be a .safetensors file or a folder with weights.safetensors, there is none",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Start(**{"weights": other()} | RULE | changes).fitting(Network())


def test_whole_numbers_are_no_weights() -> None:
    wrong = Network().state_dict() | {"head.bias": torch.zeros(1, dtype=torch.int64)}
    with pytest.raises(ValueError, match=r"head.bias is torch.int64\[1\], the model's torch.float32\[1\]"):
        Start(weights=wrong).fitting(Network())


def test_a_run_begins_with_them_and_goes_on_with_no_others(tumours: pd.DataFrame, tmp_path: Path) -> None:
    columns: dict[str, Any] = {"features": [n for n in tumours.columns if n != "benign"], "label": "benign"}
    first = training().fit(tumours, **columns)
    second = training().fit(tumours, **columns, start=first)
    assert second.history[0].loss < first.history[-1].loss < first.history[0].loss
    place: dict[str, Any] = {"folder": str(tmp_path), **columns}
    training().fit(tumours, **place, start=first, on_progress=lambda record: record.epoch == 1)
    for start, found in ((None, "None"), (second, "[0-9a-f]{16}")):
        with pytest.raises(ValueError, match=f"start was [0-9a-f]{{16}}, is {found}"):
            training().fit(tumours, **place, start=start)
    rest = training().fit(tumours, **place, start=first.module.state_dict())
    assert digest(rest.module.state_dict()) == digest(second.module.state_dict())
