"""A torch module as an IR: the same numbers, names and any number of rows, response normalisation as OpenVINO's own operation."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcore.openvino.conversion import converted, files_of
from dlcore.openvino.ir import IR
from dlcore.step.method import Asynchronous, predicted
from dlcore.step.tuning import tune_model
from dlcore.zoo.mobilenet_ssd import mobilenet_ssd

ROOT = Path(__file__).parents[3]


class Normalised(nn.Module):
    """Two responses, normalised over 5 and over ``size`` channels."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.LocalResponseNorm(5),
            nn.ReLU(),
            nn.LocalResponseNorm(size, alpha=0.5, beta=0.5, k=2.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


class Named(nn.Module):
    """Two inputs and two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.shops = nn.Linear(4, 3), nn.Embedding(10, 3)

    def forward(self, table: Tensor, shop: Tensor) -> dict[str, Tensor]:
        both = self.table(table) + self.shops(shop)
        return {"logits": both, "norm": both.norm(dim=1)}


def ir_of(module: nn.Module, example: Any) -> IR:
    return IR(*files_of(converted(module, example)), precision="f32")


def operations(ir: IR) -> list[str]:
    return [node.get_type_name() for node in ir.read().get_ops()]


@pytest.mark.parametrize("tuned", [False, True])
def test_response_normalisation_is_openvinos_own_operation_and_gives_torchs_numbers(tuned: bool) -> None:
    torch.manual_seed(0)
    plain = Normalised().eval()
    expected = plain(x := torch.randn(5, 3, 9, 9) * 3).detach()
    ir = ir_of(tune_model(plain) if tuned else plain, x[:2])
    assert operations(ir).count("LRN") == 2
    assert (ir(x) - expected).abs().max() <= 1e-5
    assert isinstance(ir, Asynchronous)
    assert ir.activation_bytes(x[:1]) == pytest.approx(7 * 7 * 8 * 4 * 5, abs=8 * 4), (
        "five layers that give one map each"
    )


def test_an_even_window_which_openvino_lays_otherwise_stays_torchs() -> None:
    torch.manual_seed(0)
    module = Normalised(size=4).eval()
    ir = ir_of(tune_model(module), x := torch.randn(2, 3, 9, 9))
    assert operations(ir).count("LRN") == 1
    torch.testing.assert_close(ir(x), Normalised.forward(module, x).detach(), rtol=1e-5, atol=1e-5)


def test_inputs_and_outputs_keep_their_names_and_any_number_of_rows_goes_through() -> None:
    torch.manual_seed(0)
    module = Named().eval()
    rows = {"table": torch.randn(7, 4), "shop": torch.arange(7)}
    ir = ir_of(module, {name: each[:2] for name, each in rows.items()})
    expected = predicted(module, rows)
    for count in (7, 1):
        found = predicted(ir, {name: each[:count] for name, each in reversed(rows.items())})
        assert list(found) == ["logits", "norm"]
        for name, each in found.items():
            torch.testing.assert_close(each, expected[name][:count].detach(), rtol=1e-5, atol=1e-6)


def test_a_module_is_the_same_bytes_whatever_the_process_has_made_before() -> None:
    torch.manual_seed(0)
    module = Named().eval()
    rows = {"table": torch.randn(2, 4), "shop": torch.arange(2)}
    assert files_of(converted(module, rows)) == files_of(converted(module, rows))


def test_a_detector_takes_pictures_as_they_are_stored_and_gives_its_pair() -> None:
    torch.manual_seed(0)
    module = mobilenet_ssd(classes=4).eval()
    pictures = torch.randint(0, 256, (3, 300, 300, 3), dtype=torch.uint8)
    ir = ir_of(module, pictures[:2])
    with torch.inference_mode():
        expected, found = module(pictures), ir(pictures)
    assert isinstance(found, tuple)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_what_is_no_tensor_is_refused_by_name() -> None:
    class Texts(nn.Module):
        def forward(self, x: Tensor) -> list[str]:
            return ["a"] * len(x)

    with pytest.raises(TypeError, match="must give a tensor, or a tuple, list or dict of tensors, got list"):
        converted(Texts(), torch.ones(2, 1))
    with pytest.raises(
        ValueError, match=r"precision must be one of \['f32', 'bf16', 'int8', 'int8\+bf16'\], got 'f16'"
    ):
        IR(b"", b"", precision="f16")  # type: ignore[arg-type]


def test_dlcore_is_imported_without_openvino_and_what_reports_to_its_makers_never() -> None:
    program = """
import sys
import dlcore
assert not {"openvino", "nncf"} & {*sys.modules}
import dlcore.openvino.quantisation
assert sys.modules["openvino_telemetry"] is None
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
