"""An IR in int8, whose layers stay in float where the metric would lose more than the bound."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import nncf
import openvino as ov
import torch

from dlcore.metrics.metric import Metric
from dlcore.metrics.tally import Tally
from dlcore.openvino.conversion import files_of
from dlcore.openvino.ir import IR
from dlcore.openvino.signature import Signature
from dlcore.step.method import align, in_float32

Labelled = tuple[Any, Any]
"""What the model and the loss get of a batch."""
LAYERS = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"}
"""The operations that int8 speeds up, which have weights."""
INERT = {"Constant", "Parameter", "Result"}
UNPACKING = {"Reshape", "Transpose", "Multiply", "Subtract", "Convert"}


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The int8 ``ir``, the metric before, after and were all layers in int8, and the layers that stayed in float among ``layers``."""

    ir: IR
    before: float
    after: float
    all_in_int8: float
    layers: int
    in_float: tuple[str, ...]


@dataclass(kw_only=True)
class Judge:
    """The metric of a compiled model on labelled rows, as NNCF asks for it: the higher the better.

    The first two models that NNCF asks for are the one given, and the one with all layers in int8.
    """

    signature: Signature
    metric: Metric
    models: list[ov.CompiledModel] = field(default_factory=list)

    def __call__(self, model: ov.CompiledModel, items: Iterable[Labelled]) -> tuple[float, None]:
        if len(self.models) < 2 and all(each is not model for each in self.models):
            self.models.append(model)
        figure = 1 + self.figure(model, items)  # NNCF divides by it, though it compares differences
        return (figure if self.metric.higher_is_better else -figure), None

    def figure(self, model: ov.CompiledModel, items: Iterable[Labelled]) -> float:
        tally, request = Tally([self.metric]), model.create_infer_request()
        for inputs, targets in items:
            found = request.infer(self.signature.feeds(inputs), share_inputs=True)
            prediction = self.signature.prediction([found[place] for place in range(len(self.signature.outputs))])
            tally.add(*align(in_float32(prediction), targets))
        return tally.results()[self.metric.name]


def quantised(
    ir: IR, calibration: Sequence[Any], validation: Sequence[Labelled], *, metric: Metric, bound: float
) -> Quantised:
    """Calibrate on inputs, row by row, and hold the metric's loss on validation batches below ``bound`` if layers in float can.

    What comes behind the last layers stays in float in any case.
    """
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own setter sets the level of others' handlers too
    model = ir.read()
    signature = Signature.of_model(model)
    judge = Judge(signature=signature, metric=metric)
    with torch.inference_mode():
        made = nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(calibration, signature.feeds),
            nncf.Dataset(validation, lambda item: signature.feeds(item[0])),
            judge,
            max_drop=bound,
            drop_type=nncf.DropType.ABSOLUTE,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(names=behind_layers(model), validate=False),
        )
        before, all_in_int8 = (judge.figure(each, validation) for each in judge.models)
        after = judge.figure(_compiled(made), validation)
    in_float, layers = kept_in_float(made)
    xml, weights = files_of(made)
    return Quantised(
        ir=IR(xml, weights, precision="int8"),
        before=before,
        all_in_int8=all_in_int8,
        after=after,
        layers=layers,
        in_float=in_float,
    )


def _compiled(model: ov.Model) -> ov.CompiledModel:
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def behind_layers(model: ov.Model) -> list[str]:
    """The operations that no layer follows, by name: int8 would not make them faster, and would leave 256 values of an output.

    An ensemble's average is made of logarithms of what its members give: in int8 a thousand rows of a kind would have one probability.
    """
    leading: set[str] = set()
    found = []
    for node in reversed(model.get_ordered_ops()):
        followers = [port.get_node() for output in node.outputs() for port in output.get_target_inputs()]
        if any(each.get_type_name() in LAYERS or each.get_friendly_name() in leading for each in followers):
            leading.add(node.get_friendly_name())
        elif node.get_type_name() not in LAYERS | INERT:
            found.append(node.get_friendly_name())
    return found


def kept_in_float(model: ov.Model) -> tuple[tuple[str, ...], int]:
    """The layers none of whose inputs is quantised, by their names in the IR, and how many layers there are."""
    layers = [node for node in model.get_ordered_ops() if node.get_type_name() in LAYERS]
    kept = [each for each in layers if not any(_in_int8(each.input_value(place).get_node()) for place in (0, 1))]
    return tuple(each.get_friendly_name() for each in kept), len(layers)


def _in_int8(node: Any) -> bool:
    """Whether it was quantised: weights are bytes times their scale, past views of them."""
    while node.get_type_name() in UNPACKING:
        node = node.input_value(0).get_node()
    small = node.get_type_name() == "Constant" and node.get_element_type() in (ov.Type.i8, ov.Type.u8)
    return small or node.get_type_name() == "FakeQuantize"
