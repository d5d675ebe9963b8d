"""Int8 within its bound: the figures are measured, layers stay in float where they must, and past the bound it is refused."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from dlcore import Accuracy, Artifact, Field, MeanLoss, Metric, Output, QuantisationRefused, add_ir, quantize
from dlcore.data.fields import Tensors
from dlcore.scoring.quantizing import sampled

PIXELS = Field("picture", dtype="uint8", shape=(12, 12, 3))


class Pictures(nn.Module):
    """Convolutions with local response normalisation; the second has channels of very different size, which int8 is coarse for."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5), nn.Conv2d(8, 16, 3), nn.ReLU()],
            *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)],
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = self.layers(x.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return {"logits": logits, "first": logits[:, 0]}


def pictures(rows: int) -> pa.Table:
    """Pictures of a colour and some noise, which classes can be told by."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(40, 216, (rows, 1, 1, 3), generator=generator)
    pixels = (colours + torch.randint(-30, 30, (rows, 12, 12, 3), generator=generator)).to(torch.uint8)
    return pa.table({"key": range(rows), "picture": [each.numpy().tobytes() for each in pixels]})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    torch.manual_seed(0)
    saved = Artifact.save(
        str(tmp_path_factory.mktemp("exported")),
        model="pictures",
        arguments={"classes": 3},
        tensors=Pictures(3).state_dict(),
        details={},
        features=PIXELS,
        outputs={"logits": Output("array<float>"), "first": Output("float")},
        models={"pictures": Pictures},
    )
    return add_ir(saved, example=pictures(1))


@pytest.fixture(scope="module")
def labelled(exported: Artifact) -> pa.Table:
    """Rows with what the fp32 model says of them, so that all that int8 loses is its own error."""
    rows = pictures(240)
    found = exported.predict(rows, precision="f32")
    logits = torch.tensor(found["logits"].to_pylist())
    return rows.append_column("class", pa.array(logits.argmax(1).numpy())).append_column("first", found["first"])


def error_of_first(prediction: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
    return mse_loss(prediction["first"], target["first"])


FIRST = MeanLoss(loss=error_of_first)


def int8(exported: Artifact, rows: pa.Table, folder: Path, *, metric: Metric, label: Tensors, bound: float) -> Artifact:
    return quantize(
        exported,
        calibration=rows,
        validation=rows,
        label=label,
        metric=metric,
        bound=bound,
        sample=50,
        batch=40,
        folder=str(folder),
    )


def test_within_the_bound_there_is_an_int8_model_and_a_report_of_it(
    exported: Artifact, labelled: pa.Table, tmp_path: Path
) -> None:
    made = int8(exported, labelled, tmp_path, metric=Accuracy(of="logits"), label={"logits": "class"}, bound=0.2)
    assert made.files == [
        *["ir/f32.bin", "ir/f32.xml", "ir/int8.bin", "ir/int8.json", "ir/int8.xml"],
        "weights.safetensors",
    ]
    report = json.loads(made.read("ir/int8.json"))
    assert (report["metric"], report["bound"], report["before"]) == ("accuracy", 0.2, 1.0)
    assert 0.8 <= report["after"] == report["all_in_int8"] <= 1
    assert report["rows"] == {"calibration": 50, "validation": 240}
    assert (report["layers"], report["in_float"]) == (3, [])
    assert report["bytes"]["int8"] < 0.5 * report["bytes"]["f32"]
    rows = pictures(100).set_column(1, "picture", pa.array([None, *pictures(100)["picture"].to_pylist()[1:]]))
    found = made.predict(rows, precision="int8")
    plain = made.predict(rows, precision="f32")
    assert found["error"].null_count == 99
    assert found["key"].to_pylist() == list(range(100))
    ours, theirs = (torch.tensor(each["first"].to_pylist()[1:]) for each in (found, plain))
    assert 0 < (ours - theirs).abs().max() < 0.2 * theirs.abs().max()


def test_a_metric_that_falls_is_held_too_and_layers_that_cost_too_much_stay_in_float(
    exported: Artifact, labelled: pa.Table, tmp_path: Path
) -> None:
    whole = int8(exported, labelled, tmp_path / "a", metric=FIRST, label={"first": "first"}, bound=1.0)
    all_in_int8 = json.loads(whole.read("ir/int8.json"))["all_in_int8"]
    assert all_in_int8 > 0
    made = int8(exported, labelled, tmp_path / "b", metric=FIRST, label={"first": "first"}, bound=all_in_int8 * 0.8)
    report = json.loads(made.read("ir/int8.json"))
    assert report["after"] - report["before"] <= report["bound"]
    assert 0 < len(report["in_float"]) < report["layers"]


def test_past_the_bound_it_is_refused_with_both_figures_and_nothing_is_written(
    exported: Artifact, labelled: pa.Table, tmp_path: Path
) -> None:
    with pytest.raises(QuantisationRefused, match=r"loss is .* in fp32 and .* in int8: within a bound of 0") as refused:
        int8(exported, labelled, tmp_path / "a", metric=FIRST, label={"first": "first"}, bound=0.0)
    assert refused.value.before < refused.value.after
    assert not (tmp_path / "a").exists()
    with pytest.raises(ValueError, match="a bound of zero or more and a sample of a row at least, got bound=-1"):
        int8(exported, labelled, tmp_path, metric=FIRST, label={"first": "first"}, bound=-1)


def test_the_sample_is_a_function_of_the_rows(labelled: pa.Table) -> None:
    assert sampled(labelled, 5)["key"].to_pylist() == [0, 60, 120, 179, 239]
    assert sampled(labelled, 1000) == labelled
