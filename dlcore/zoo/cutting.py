"""A network cut at named layers, and frozen up to one: for features of a trained network, and for training its end alone.

Both follow the computation (``torch.fx``), not the order in which layers were written down, so branches are right. They take
any module that ``torch.fx`` can trace, Caffe's among them; layers are named as in ``named_modules``.
"""

from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FrozenBatchNorm2d

from dlcore.zoo.ssd import Pixels


class _Tracer(fx.Tracer):
    """Names the layers of interest in the graph, whatever they consist of; torch.fx makes one without any as it unpickles a cut network."""

    def __init__(self, layers: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.layers = layers

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        # Pixels looks at the type of what it is given, which a trace does not know
        return name in self.layers or isinstance(module, Pixels) or super().is_leaf_module(module, name)


def cut(module: nn.Module, *layers: str) -> fx.GraphModule:
    """What ``module`` computes up to ``layers``, with its weights, not copies: one tensor, or a tuple for several layers."""
    graph = _graph(module, layers)
    ends = [_last(graph, layer) for layer in layers]
    for node in reversed(graph.nodes):
        if node.op == "output":
            node.args = (ends[0] if len(ends) == 1 else tuple(ends),)
    made = fx.GraphModule(module, graph)
    made.graph.eliminate_dead_code()
    made.recompile()
    made.delete_all_unused_submodules()
    return made.train(module.training)


def freeze(module: nn.Module, *, upto: str) -> list[str]:
    """Fix the weights that the output of layer ``upto`` depends on, and their batch statistics; returns the names of their layers.

    Layers of batch normalisation among them are replaced by ``FrozenBatchNorm2d``, which ``train()`` does not wake.
    """
    graph = _graph(module, (upto,))
    waiting, seen, names = [_last(graph, upto)], set(), []
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(node.all_input_nodes)
            if node.op == "get_attr":
                _fix(module, str(node.target))
            elif node.op == "call_module":
                names.append(str(node.target))
    ordered = [name for name, _ in module.named_modules() if name in names]
    for name in ordered:
        _freeze_layer(module, name)
    return ordered


def _graph(module: nn.Module, layers: tuple[str, ...]) -> fx.Graph:
    known = [name for name, _ in module.named_modules() if name]
    for layer in layers:
        if layer not in known:
            near = get_close_matches(layer, known, n=5, cutoff=0.3)
            raise ValueError(f"there is no layer {layer}; near it are {', '.join(near) or ', '.join(known[:5])}")
    if not layers:
        raise ValueError("name one layer at least")
    if isinstance(module, fx.GraphModule):
        return deepcopy(module.graph)
    try:
        return _Tracer(layers).trace(module)
    except (fx.proxy.TraceError, TypeError) as refused:
        name = type(module).__name__
        raise ValueError(f"torch.fx cannot follow {name}, whose path depends on its data: {refused}") from refused


def _last(graph: fx.Graph, layer: str) -> fx.Node:
    """The last call of a layer."""
    calls: list[fx.Node] = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if not calls:
        raise ValueError(f"the layer {layer} is never called on its own; name a layer around or inside it")
    return calls[-1]


def _fix(module: nn.Module, name: str) -> None:
    owner, _, last = name.rpartition(".")
    value = getattr(module.get_submodule(owner), last)
    if isinstance(value, nn.Parameter):
        value.requires_grad_(False)


def _freeze_layer(module: nn.Module, name: str) -> None:
    layer = module.get_submodule(name)
    layer.requires_grad_(False)
    for inner, child in list(layer.named_modules()):
        if isinstance(child, _BatchNorm):
            whole = f"{name}.{inner}" if inner else name
            owner, _, last = whole.rpartition(".")
            setattr(module.get_submodule(owner), last, _frozen(child))


def _frozen(layer: Any) -> nn.Module:
    made = FrozenBatchNorm2d(layer.num_features, layer.eps)
    made.load_state_dict(layer.state_dict(), strict=False)
    return made  # type: ignore[no-any-return]
