"""A Caffe net, its prototxt and its weights, as a ``torch.fx`` module with a submodule for each layer, by the layer's name."""

from keyword import iskeyword
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import text_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import Tensor, fx, nn

from dlcore.zoo.caffe.layers import LAYERS, WEIGHTED
from dlcore.zoo.caffe.schema import enumerator
from dlcore.zoo.caffe.schema import message as kind

INPUT = "Input"


class CaffeError(ValueError):
    """The files are no Caffe net, or one with layers that are not implemented."""


def load_caffe(prototxt: str | Path, caffemodel: str | Path) -> fx.GraphModule:
    """The net of a deploy prototxt with the weights of a caffemodel, evaluating (``train()`` it to train).

    It takes what the net's inputs take, in their order: floats [N, C, H, W], for pictures usually in BGR less a mean. It
    gives the blob that no layer takes, or a dict of them by name where there are several. Submodules bear the names of
    the layers, with ``_`` for dots.
    """
    net, weights = _read(prototxt), _blobs(caffemodel)
    graph, modules = fx.Graph(), {}
    blobs = {name: graph.placeholder(_attribute(name)) for name in net.input}
    for layer in _layers(net, Path(prototxt)):
        target = _attribute(layer.name)
        if target in modules:
            raise CaffeError(f"{prototxt} names two layers {layer.name}; each must have a name of its own")
        if layer.type == INPUT:
            blobs |= {name: graph.placeholder(_attribute(name)) for name in layer.top}
        else:
            modules[target] = _module(layer, weights.get(layer.name, []), caffemodel)
            _call(graph, target, layer, blobs)
    ends = {name: node for name, node in blobs.items() if not node.users and node.op != "placeholder"}
    graph.output(next(iter(ends.values())) if len(ends) == 1 else ends)
    return fx.GraphModule(modules, graph, class_name="CaffeNet").eval()


def _attribute(name: str) -> str:
    """A layer's or input's name as that of a submodule: without dots, and no word of Python's."""
    return name.replace(".", "_") + "_" * iskeyword(name)


def _read(file: str | Path) -> Any:
    """The net of a prototxt. Types of layers are looked at first: an unknown one is named rather than its settings."""
    text = Path(file).read_text()
    try:
        loose = text_format.Parse(text, kind("NetParameter")(), allow_unknown_field=True)
        unknown = sorted({layer.type for layer in loose.layer if _tested(layer)} - {*LAYERS, INPUT})
        if unknown:
            raise CaffeError(
                f"{file} has layers of types that are not implemented: {', '.join(unknown)}; give the deploy prototxt, "
                f"which has no data and loss layers. Implemented are {', '.join(LAYERS)}"
            )
        return text_format.Parse(text, kind("NetParameter")())
    except text_format.ParseError as refused:
        raise CaffeError(f"{file} is not the deploy prototxt of a Caffe net: {refused}") from refused


def _tested(layer: Any) -> bool:
    """Whether a layer is in the net when it is used, not trained (phase TEST)."""
    return all(rule.phase == 1 for rule in layer.include if rule.HasField("phase")) and not any(
        rule.phase == 1 for rule in layer.exclude if rule.HasField("phase")
    )


def _layers(net: Any, file: Path) -> list[Any]:
    """The layers of use, those of the old form made new."""
    if not net.layer and not net.layers:
        raise CaffeError(f"{file} holds no layer")
    layers = [*map(_renewed, net.layers), *net.layer]
    names = [one.name for layer in layers for one in layer.param if one.name]
    if len(names) != len(set(names)):
        raise CaffeError(f"{file} shares weights among layers, which is not implemented: {sorted(set(names))}")
    return [layer for layer in layers if _tested(layer)]


def _renewed(old: Any) -> Any:
    """A layer of the form until 2014 as one of today's: the same fields by other numbers."""
    spelt = enumerator(old.DESCRIPTOR.fields_by_name["type"], old.type)
    names = {name.upper(): name for name in LAYERS}
    if spelt.replace("_", "") not in names:
        raise CaffeError(f"the layer {old.name} is of type {spelt}, not implemented; give the deploy prototxt")
    new = kind("LayerParameter")(name=old.name, type=names[spelt.replace("_", "")])
    for field, value in old.ListFields():
        if field.name.endswith("_param") or field.name in ("bottom", "top", "include", "exclude"):
            getattr(new, field.name).MergeFrom(value)
    return new


def _blobs(file: str | Path) -> dict[str, list[Tensor]]:
    """The blobs of each layer of a caffemodel."""
    try:
        net = kind("NetParameter").FromString(Path(file).read_bytes())
    except DecodeError as refused:
        raise CaffeError(f"{file} is not a caffemodel: {refused}") from refused
    return {layer.name: [_tensor(blob) for blob in layer.blobs] for layer in [*net.layers, *net.layer] if layer.blobs}


def _tensor(blob: Any) -> Tensor:
    shape = list(blob.shape.dim) if blob.HasField("shape") else [blob.num, blob.channels, blob.height, blob.width]
    values = np.array(blob.data or blob.double_data, np.float32)
    if values.size != np.prod(shape, dtype=int):
        raise CaffeError(
            f"a blob of shape {shape} must have as many values, got {values.size}; the caffemodel is damaged"
        )
    return torch.from_numpy(values.reshape(shape))


def _module(layer: Any, blobs: list[Tensor], file: str | Path) -> nn.Module:
    if layer.type in WEIGHTED and not blobs and not (layer.type == "Scale" and len(layer.bottom) == 2):
        raise CaffeError(f"{file} has no weights of the layer {layer.name} ({layer.type}); it belongs to another net")
    try:
        return LAYERS[layer.type](layer, blobs)
    except (ValueError, IndexError, RuntimeError) as refused:
        raise CaffeError(f"the layer {layer.name} ({layer.type}) cannot be made: {refused}") from refused


def _call(graph: fx.Graph, target: str, layer: Any, blobs: dict[str, fx.Node]) -> None:
    """Add the layer to the graph, and name what it gives."""
    missing = [name for name in layer.bottom if name not in blobs]
    if missing:
        raise CaffeError(f"the layer {layer.name} takes {missing}, which no layer before it gives")
    found = graph.create_node("call_module", target, tuple(blobs[name] for name in layer.bottom))
    if layer.type in ("Split", "Slice"):
        for number, name in enumerate(layer.top):
            blobs[name] = graph.call_function(getitem, (found, number))
    else:
        blobs[layer.top[0]] = found
