"""How a model's inputs and outputs are called, so that its IR takes what the torch module took and gives what that gave."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from dlcore.data.cells import Array

Kind = Literal["one", "several", "named"]
KEY = "emberline"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Names in order; ``takes`` and ``gives`` say whether they are one tensor, several in order (outputs alone), or tensors by name."""

    takes: Kind
    inputs: tuple[str, ...]
    gives: Kind
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, inputs: Any, prediction: Any) -> Self:
        """Of what a module gets and what it gives for it."""
        named = isinstance(inputs, Mapping)
        gives, outputs = _outputs(prediction)
        return cls(
            takes="named" if named else "one", inputs=tuple(inputs) if named else ("x",), gives=gives, outputs=outputs
        )

    @classmethod
    def of_model(cls, model: ov.Model) -> Self:
        """What was written with ``write``; else the model's own names, of one tensor or of tensors by name."""
        if model.has_rt_info([KEY]):
            said = json.loads(model.get_rt_info([KEY]).astype(str))
            return cls(**said | {"inputs": tuple(said["inputs"]), "outputs": tuple(said["outputs"])})
        inputs, outputs = ([_name(each) for each in ports] for ports in (model.inputs, model.outputs))
        return cls(takes=_kind(inputs), inputs=tuple(inputs), gives=_kind(outputs), outputs=tuple(outputs))

    def write(self, model: ov.Model) -> None:
        """Name the model's inputs and outputs so, and note the rest in it."""
        for ports, names in ((model.inputs, self.inputs), (model.outputs, self.outputs)):
            for port, name in zip(ports, names, strict=True):
                port.get_tensor().set_names({name})
        model.set_rt_info(json.dumps(asdict(self)), [KEY])

    def feeds(self, inputs: Any) -> dict[str, Array]:
        """What the model gets, as arrays by the name of the input."""
        given = inputs if isinstance(inputs, Mapping) else {self.inputs[0]: inputs}
        if missing := [name for name in self.inputs if name not in given]:
            raise KeyError(f"the model takes {list(self.inputs)}, {missing} are not among {list(given)}")
        return {name: _array(given[name]) for name in self.inputs}

    def prediction(self, found: Sequence[Array]) -> Any:
        """Outputs in order as the module gave them."""
        tensors = [torch.from_numpy(each) for each in found]
        if self.gives == "named":
            return dict(zip(self.outputs, tensors, strict=True))
        return tensors[0] if self.gives == "one" else tuple(tensors)


def flat(prediction: Any) -> tuple[Tensor, ...]:
    """The tensors of a prediction, in order."""
    if isinstance(prediction, Tensor):
        return (prediction,)
    return tuple(prediction.values() if isinstance(prediction, Mapping) else prediction)


def _outputs(prediction: Any) -> tuple[Kind, tuple[str, ...]]:
    several = isinstance(prediction, Mapping | list | tuple)
    if not all(isinstance(each, Tensor) for each in (flat(prediction) if several else [prediction])):
        raise TypeError(
            "a model that becomes an OpenVINO IR must give a tensor, or a tuple, list or dict of tensors, "
            f"got {type(prediction).__name__}; leave what comes after them to the outputs' functions"
        )
    if isinstance(prediction, Mapping):
        return "named", tuple(prediction)
    return ("several", tuple(f"y{place}" for place in range(len(prediction)))) if several else ("one", ("y",))


def _kind(names: Sequence[str]) -> Kind:
    return "one" if len(names) == 1 else "named"


def _name(port: Any) -> str:
    """The port's own name, or that of the operation where it has none."""
    return str(min(port.get_names(), default=port.get_node().get_friendly_name()))


def _array(value: Any) -> Array:
    return value.detach().contiguous().numpy() if isinstance(value, Tensor) else np.ascontiguousarray(value)
