"""An OpenVINO IR as a module: whatever predicts or evaluates with a torch module does so with it."""

import hashlib
import logging
from collections.abc import Callable
from typing import Any, Literal

import openvino as ov
import torch

from dlcore.openvino.compiled import HOLDER, Compiled
from dlcore.step.method import Asynchronous
from dlcore.step.tuning import BF16, INT8, processor

log = logging.getLogger("dlcore")

Inference = Literal["f32", "bf16", "int8", "int8+bf16"]
PRECISIONS: dict[str, tuple[str, str]] = {
    "f32": ("f32", "f32"),
    "bf16": ("f32", "bf16"),
    "int8": ("int8", "f32"),
    "int8+bf16": ("int8", "bf16"),
}
"""Which IR it is, and in what its layers that are not int8 compute."""
UNITS = {"bf16": BF16, "int8": INT8, "int8+bf16": INT8}


class IR(Asynchronous):
    """A model as the two files of an IR, that computes in ``precision``; it is compiled where and when it is first asked.

    It has no parameters of torch's, and travels as the bytes of its files.
    """

    def __init__(self, xml: bytes, weights: bytes, *, precision: Inference) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
        self.xml, self.weights, self.precision = xml, weights, precision
        self.id = hashlib.sha256(xml + weights).hexdigest()

    def read(self) -> ov.Model:
        return ov.Core().read_model(self.xml, self.weights)

    @property
    def compiled(self) -> Compiled:
        """As this process holds it, on as many threads as torch has been given."""
        return HOLDER.of((self.precision, self.id, torch.get_num_threads()), self._compile)

    def _compile(self) -> Compiled:
        here, units = processor(), UNITS.get(self.precision)
        if units and not {*units} & here.units:
            log.warning("this processor has no units for %s, it may be slower than f32: %s", self.precision, here)
        return Compiled(self.read(), PRECISIONS[self.precision][1], torch.get_num_threads())

    @property
    def requests(self) -> int:
        return self.compiled.requests

    def start(self, inputs: Any) -> Callable[[], Any]:
        return self.compiled.start(inputs)

    def activation_bytes(self, inputs: Any) -> int:
        return self.compiled.activation_bytes(inputs)

    def forward(self, *tensors: Any, **named: Any) -> Any:
        return self.start(named or tensors[0])()
