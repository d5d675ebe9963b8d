"""Artifacts: named by their content, refused when damaged, changed, too new or unknown."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dlcore import Artifact, ArtifactError

MODELS = {"linear": nn.Linear}


def saved(folder: Path, bias: bool = True) -> Artifact:
    torch.manual_seed(1)
    weights = nn.Linear(2, 1, bias=bias).state_dict()
    arguments = {"in_features": 2, "out_features": 1, "bias": bias}
    return Artifact.save(str(folder), model="linear", arguments=arguments, tensors=weights, details={"threshold": 0.25})


def test_an_artifact_comes_back_whole(tmp_path: Path) -> None:
    before = saved(tmp_path / "a")
    after = Artifact.load(str(tmp_path / "a"))
    assert (after.id, after.details) == (before.id, {"threshold": 0.25})
    module = after.module(MODELS)
    assert not module.training
    assert torch.equal(module(torch.ones(1, 2)), before.module(MODELS)(torch.ones(1, 2)))


def test_the_id_names_the_content(tmp_path: Path) -> None:
    assert saved(tmp_path / "a").id == saved(tmp_path / "b").id
    assert saved(tmp_path / "a").id != saved(tmp_path / "c", bias=False).id


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = nn.Linear(2, 2), nn.Linear(2, 2)
        self.back.weight = self.there.weight


def test_tied_weights_come_back_tied(tmp_path: Path) -> None:
    weights = Tied().state_dict()
    Artifact.save(str(tmp_path), model="tied", arguments={}, tensors=weights, details={})
    module = Artifact.load(str(tmp_path)).module({"tied": Tied})
    assert len(list(module.parameters())) == 3
    assert all(torch.equal(weights[name], tensor) for name, tensor in module.state_dict().items())


def test_changed_weights_and_manifest_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    weights = tmp_path / "a" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors is not the file"):
        Artifact.load(str(tmp_path / "a"))
    saved(tmp_path / "b")
    manifest = tmp_path / "b" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0.25", "0.99"))
    with pytest.raises(ArtifactError, match="/b was changed"):
        Artifact.load(str(tmp_path / "b"))


def test_a_newer_format_a_missing_folder_and_an_unknown_model_are_named(tmp_path: Path) -> None:
    artifact = saved(tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"needs model 'linear', known are \['other'\]"):
        artifact.module({"other": nn.Linear})
    manifest = tmp_path / "a" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))
    with pytest.raises(ArtifactError, match="has format 2, this version reads 1"):
        Artifact.load(str(tmp_path / "a"))
    with pytest.raises(ArtifactError, match="there is no artifact at"):
        Artifact.load(str(tmp_path / "nowhere"))


def test_a_model_is_loaded_and_a_table_trained_on_where_there_is_no_spark(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    program = f"""
import sys
sys.modules["pyspark"] = sys.modules["py4j"] = None
import dlcore, pyarrow, torch
from torch import nn
module = dlcore.Artifact.load({str(tmp_path / "a")!r}).module({{"linear": nn.Linear}})
print(module(torch.ones(1, 2)).item())
table = pyarrow.table({{"x": [1.0, 2.0], "y": [2.0, 4.0]}})
recipe = {{"model": lambda: nn.Linear(1, 1), "loss": nn.functional.mse_loss, "optimizer": torch.optim.SGD}}
dlcore.Training(**recipe, schedule=dlcore.Constant(lr=0.1), batch=2, epochs=1).fit(table, features=["x"], label="y")
"""
    repository = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert float(ran.stdout) == Artifact.load(str(tmp_path / "a")).module(MODELS)(torch.ones(1, 2)).item()
