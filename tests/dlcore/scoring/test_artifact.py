"""Artifacts: named by their content, replaced whole, refused when damaged, changed, too new or unknown."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import nn

from dlcore import Artifact, ArtifactError, Field, Output, Vocabulary

ROOT = Path(__file__).parents[3]
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


def test_a_version_with_other_details_has_the_same_files_and_another_id(tmp_path: Path) -> None:
    before = saved(tmp_path / "a").with_files({"note": b"x"})
    after = before.with_details({"threshold": 0.5, "precision": "f32"}, folder=str(tmp_path / "b"))
    assert after.details == {"threshold": 0.5, "precision": "f32"} and before.details == {"threshold": 0.25}
    assert (after.read("note"), after.files) == (b"x", before.files) and after.id != before.id
    assert before.with_details({"threshold": 0.5, "precision": "f32"}).id == after.id


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


def manifest(folder: Path) -> Path:
    (found,) = folder.glob("manifest-*")
    return found


def test_changed_files_and_manifest_are_refused_by_name(tmp_path: Path) -> None:
    for file in ("weights.safetensors", "pipeline/metadata"):
        made = filed(tmp_path / "a")
        (found,) = (tmp_path / "a").rglob(file)
        found.write_bytes(found.read_bytes()[:-4] + b"\0\0\0\0")
        for read in (lambda: Artifact.load(str(tmp_path / "a")), lambda: made.read(file)):  # noqa: B023 - called at once
            with pytest.raises(
                ArtifactError, match=f"/a is damaged: {file} is not the file that was saved as {made.id}"
            ):
                read()
        found.unlink()
        with pytest.raises(ArtifactError, match=f"there is no artifact at .*/a: {file} is missing"):
            Artifact.load(str(tmp_path / "a"))
    assert filed(tmp_path / "a").id == made.id, "saved again, it is whole again"
    saved(tmp_path / "b")
    text = manifest(tmp_path / "b")
    text.write_text(text.read_text().replace("0.25", "0.99"))
    with pytest.raises(ArtifactError, match="/b was changed"):
        Artifact.load(str(tmp_path / "b"))


def test_a_newer_format_a_missing_folder_and_an_unknown_model_are_named(tmp_path: Path) -> None:
    artifact = saved(tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"needs model 'linear', known are \['other'\]"):
        artifact.module({"other": nn.Linear})
    text = manifest(tmp_path / "a")
    text.write_text(json.dumps(json.loads(text.read_text()) | {"format": 3}))
    with pytest.raises(ArtifactError, match="has format 3, this version reads 2"):
        Artifact.load(str(tmp_path / "a"))
    with pytest.raises(ArtifactError, match="there is no artifact at"):
        Artifact.load(str(tmp_path / "nowhere"))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="has format 1, this version reads 2"):
        Artifact.load(str(tmp_path / "old"))


def filed(folder: Path, words: bytes = b"{'a': 1}") -> Artifact:
    """An artifact with a file, and with a folder of files."""
    (folder.parent / "given" / "stages").mkdir(parents=True, exist_ok=True)
    (folder.parent / "given" / "metadata").write_bytes(words)
    (folder.parent / "given" / "stages" / "0").write_bytes(b"")
    files: dict[str, bytes | Path] = {"pipeline": folder.parent / "given", "int8.xml": b"<net/>"}
    weights = {"weight": torch.ones(1, 1)}
    return Artifact.save(str(folder), model="linear", arguments={}, tensors=weights, details={}, files=files)


def test_files_and_folders_are_in_the_artifact_and_in_its_name(tmp_path: Path) -> None:
    made = filed(tmp_path / "a")
    assert made.files == ["int8.xml", "pipeline/metadata", "pipeline/stages/0", "weights.safetensors"]
    loaded = Artifact.load(str(tmp_path / "a"))
    assert (loaded.read("int8.xml"), loaded.read("pipeline/stages/0")) == (b"<net/>", b"")
    out = loaded.extract("pipeline", tmp_path / "out")
    assert (out / "metadata").read_bytes() == b"{'a': 1}"
    assert (out / "stages" / "0").exists()
    assert filed(tmp_path / "b", b"{'a': 2}").id != made.id
    with pytest.raises(ArtifactError, match=r"has no file 'int4\.xml', it has"):
        loaded.read("int4.xml")
    for name in ("../out", "/etc/x", "", "a//b"):
        with pytest.raises(ValueError, match="an artifact's files must have names such as"):
            Artifact.save(str(tmp_path / "c"), model="m", arguments={}, tensors={}, details={}, files={name: b""})
    assert not (tmp_path / "c").exists()


def test_what_is_saved_in_its_place_replaces_it_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    first, second = filed(tmp_path / "a"), saved(tmp_path / "a")
    assert Artifact.load(str(tmp_path / "a")).id == second.id
    assert [path.name for path in sorted((tmp_path / "a").iterdir())] == [
        f"content-{second.id}",
        f"manifest-000002-{second.id}.json",
    ]
    with pytest.raises(ArtifactError, match=r"int8\.xml is missing"):
        first.read("int8.xml")


def test_a_reader_finds_one_or_the_other_whole_while_a_writer_replaces_them_and_after_it_is_killed(
    tmp_path: Path,
) -> None:
    program = f"""
import torch
from dlcore import Artifact
for number in range(100_000):
    tensors = {{"weight": torch.full((200, 1000), float(number % 2))}}
    Artifact.save({str(tmp_path)!r}, model="m", arguments={{}}, tensors=tensors, details={{"number": number % 2}}, files={{"b": bytes(10)}})
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as writer:
        try:
            while not list(tmp_path.glob("manifest-*")):
                time.sleep(0.01)
            found = [Artifact.load(str(tmp_path)) for _ in range(80)]
        finally:
            writer.kill()
    found.append(Artifact.load(str(tmp_path)))
    assert {each.details["number"] for each in found} == {0, 1}
    assert all(bool((each.tensors["weight"] == each.details["number"]).all()) for each in found)


def test_an_artifact_says_what_it_takes_and_gives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    features: dict[str, Any] = {
        "table": ["a", "b"],
        "shop": Field("shop", vocabulary=Vocabulary(("x", "y"))),
        "image": Field("pixels", dtype="uint8", shape=(2, 3)),
        "one": "c",
    }
    outputs: dict[str, Any] = {"p": torch.sigmoid, "codes": Output("array<float>")}
    say: dict[str, Any] = {"model": "m", "arguments": {}, "tensors": {}, "details": {}}
    Artifact.save(str(tmp_path), **say, features=features, outputs=outputs, transform=sharpen)
    loaded = Artifact.load(str(tmp_path))
    assert loaded.features == features
    assert loaded.kinds == {"p": "double", "codes": "array<float>"}
    with pytest.raises(
        ArtifactError, match=r"with code for transform, output p, which must be given to Artifact\.load"
    ):
        loaded.predict(pa.table({"a": [1.0]}))
    Artifact.load(str(tmp_path), outputs=outputs, transform=sharpen)
    assert not caplog.records
    Artifact.load(str(tmp_path), outputs=outputs, transform=blur)
    assert "the transform given is other code than the artifact was saved with" in caplog.text


def sharpen(x: Any, y: Any, generator: Any) -> Any:
    return x * 2, y


def blur(x: Any, y: Any, generator: Any) -> Any:
    return x / 2, y


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
fitted = dlcore.Training(**recipe, schedule=dlcore.Constant(lr=0.1), batch=2, epochs=1).fit(table, features=["x"], label="y")
scored = fitted.export({str(tmp_path / "b")!r}, outputs={{"y_now": dlcore.Output()}}).predict(table)
assert scored["y_now"].to_pylist() == fitted.module(torch.ones(2, 1) * torch.tensor([[1.0], [2.0]])).reshape(-1).tolist()
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert float(ran.stdout) == Artifact.load(str(tmp_path / "a")).module(MODELS)(torch.ones(1, 2)).item()
