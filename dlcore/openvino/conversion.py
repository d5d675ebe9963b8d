"""A torch module as an OpenVINO model in fp32, and a model as the two files of an IR."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset15
from openvino.frontend.pytorch import ConversionExtension, ModuleExtension
from torch import Tensor, nn

from dlcore.openvino.signature import Signature, flat
from dlcore.step.method import predicted

KINDS = {torch.float32: ov.Type.f32, torch.int64: ov.Type.i64, torch.uint8: ov.Type.u8, torch.bool: ov.Type.boolean}


class Flat(nn.Module):
    """A module as tracing takes it: tensors in order in, tensors in order out."""

    def __init__(self, module: nn.Module, signature: Signature) -> None:
        super().__init__()
        self.module, self.signature = module, signature

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = (
            dict(zip(self.signature.inputs, tensors, strict=True)) if self.signature.takes == "named" else tensors[0]
        )
        return flat(predicted(self.module, given))


def converted(module: nn.Module, example: Any) -> ov.Model:
    """The module, for any number of rows like those of ``example`` (two or more, that nothing takes them for one thing)."""
    ours = plain_lrn(deepcopy(module).eval())
    with torch.inference_mode():
        signature = Signature.of(example, predicted(ours, example))
    tensors = tuple(example.values()) if isinstance(example, Mapping) else (example,)
    shapes = [ov.PartialShape([-1, *each.shape[1:]]) for each in tensors]
    convert = _of_trace if all(getattr(each, "traceable", True) for each in ours.modules()) else _of_program
    with (
        warnings.catch_warnings()
    ):  # torch says of tracing that it would have it replaced, and of exporting what it replaces
        warnings.simplefilter("ignore")
        model = convert(Flat(ours, signature), tensors, shapes)
    signature.write(model)
    return model


def _of_trace(module: nn.Module, tensors: tuple[Tensor, ...], shapes: Sequence[ov.PartialShape]) -> ov.Model:
    inputs = [(shape, KINDS[each.dtype]) for shape, each in zip(shapes, tensors, strict=True)]
    extension = [*lrn_extensions(module)] or None
    return ov.convert_model(module, example_input=tensors, input=inputs, extension=extension)


def _of_program(module: nn.Module, tensors: tuple[Tensor, ...], shapes: Sequence[ov.PartialShape]) -> ov.Model:
    """By ``torch.export``, for modules that compute with sizes, which a trace would take for constants."""
    rows = torch.export.Dim("rows")
    program = torch.export.export(module, tensors, dynamic_shapes=(({0: rows},) * len(tensors),), strict=False)
    model = ov.convert_model(program)
    model.reshape(dict(zip(model.inputs, shapes, strict=True)))
    return model


def plain_lrn(module: nn.Module) -> nn.Module:
    """Put torch's own local response normalisation in the place of dlcore's, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.LocalResponseNorm):
            setattr(module, name, nn.LocalResponseNorm(child.size, child.alpha, child.beta, child.k))
        else:
            plain_lrn(child)
    return module


def lrn_extensions(module: nn.Module) -> Iterator[Any]:
    """Each local response normalisation as OpenVINO's own operation; torch's is exported as seven slow ones.

    A window of even size begins one earlier in torch than in OpenVINO, so such a layer stays as it is.
    """
    layers = [each for each in module.modules() if isinstance(each, nn.LocalResponseNorm) and each.size % 2]
    for place, layer in enumerate(layers):
        yield ModuleExtension(layer, f"LRN{place}", convert=lambda _, operation, *given, **__: operation(given[0]))
        yield ConversionExtension(f"LRN{place}", _Normalise(layer))


class _Normalise:
    def __init__(self, layer: nn.LocalResponseNorm) -> None:
        self.layer = layer

    def __call__(self, context: Any) -> Any:
        of, channels = self.layer, np.array([1], np.int64)
        return opset15.lrn(context.get_input(0), channels, of.alpha, of.beta, of.k, of.size).outputs()


def files_of(model: ov.Model) -> tuple[bytes, bytes]:
    """The XML and the weights, as they are and not halved: the same bytes for the same model, whatever the process made before."""
    name_by_place(model)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        ov.save_model(model, file, compress_to_fp16=False)
        return file.read_bytes(), file.with_suffix(".bin").read_bytes()


def name_by_place(model: ov.Model) -> None:
    """Number what OpenVINO has numbered through the process, such as ``Constant_3359``, by its place in the model."""
    model.set_friendly_name("model")
    for place, node in enumerate(model.get_ordered_ops()):
        prefix, number = node.get_friendly_name().rpartition("_")[::2]
        if number.isdecimal() and (node.get_type_name() == "Constant" or prefix == node.get_type_name()):
            node.set_friendly_name(f"{node.get_type_name()}_{place}")
