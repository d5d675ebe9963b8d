"""A model compiled for this process's cores, with a request a stream; the one that a process holds is shared by its tasks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from threading import Lock, local
from typing import Any

import openvino as ov

from dlcore.data.cells import Array
from dlcore.openvino.signature import Signature

FREE = {"Constant", "Parameter", "Result", "FakeQuantize", "Convert", "Reshape", "Squeeze", "Unsqueeze"}
"""Operations that give nothing of their own: views, and what compiling takes out."""


@dataclass(frozen=True)
class Compiled:
    """A ``model`` on ``threads`` cores, a stream and a request each: rows of a batch stay together, batches go side by side.

    ``hint`` is the precision of what is not int8: OpenVINO takes bfloat16 unless it is told otherwise.
    """

    model: ov.Model
    hint: str
    threads: int

    @cached_property
    def signature(self) -> Signature:
        return Signature.of_model(self.model)

    @cached_property
    def executable(self) -> ov.CompiledModel:
        settings = {
            "INFERENCE_PRECISION_HINT": self.hint,
            "NUM_STREAMS": self.threads,
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,  # of several processes, each would pin its threads to the same first cores
        }
        return ov.Core().compile_model(self.model, "CPU", settings)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="dlcore-openvino")

    @cached_property
    def _own(self) -> local:
        return local()

    @property
    def requests(self) -> int:
        """How many run beside Python: none on one core, where two threads that take turns cost 5 % of the speed (light SSD, measured)."""
        return self.threads if self.threads > 1 else 0

    def start(self, inputs: Any) -> Callable[[], Any]:
        """Run in a request of a thread's own, beside Python, or on one core when it is waited for; returns what waits."""
        return self._pool.submit(self._run, inputs).result if self.requests else partial(self._run, inputs)

    def _run(self, inputs: Any) -> Any:
        if not hasattr(self._own, "request"):
            self._own.request = self.executable.create_infer_request()
        found = self._own.request.infer(self._cast(self.signature.feeds(inputs)), share_inputs=True)
        return self.signature.prediction([found[place] for place in range(len(self.signature.outputs))])

    def _cast(self, feeds: dict[str, Array]) -> dict[str, Array]:
        """In the element types that the model takes, which is what differs in models of other makers."""
        kinds = {
            name: port.get_element_type().to_dtype()
            for name, port in zip(self.signature.inputs, self.model.inputs, strict=True)
        }
        return {name: each.astype(kinds[name], copy=False) for name, each in feeds.items()}

    def activation_bytes(self, inputs: Any) -> int:
        """The bytes of what every operation makes of ``inputs``."""
        feeds, sized = self.signature.feeds(inputs), self.model.clone()
        sized.reshape({port: feeds[name].shape for name, port in zip(self.signature.inputs, sized.inputs, strict=True)})
        return sum(_bytes(node) for node in sized.get_ops() if node.get_type_name() not in FREE)


def _bytes(node: Any) -> int:
    ports = [port for port in node.outputs() if port.get_partial_shape().is_static]
    return sum(prod(port.get_shape()) * int(port.get_element_type().size) for port in ports)


@dataclass
class Holder:
    """The compiled model of this process: it outlives the task that asked for it, so it cannot be an argument."""

    key: tuple[object, ...] = ()
    compiled: Compiled | None = None
    _lock: Lock = field(default_factory=Lock)

    def of(self, key: tuple[object, ...], make: Callable[[], Compiled]) -> Compiled:
        with self._lock:
            if self.compiled is None or self.key != key:
                self.compiled = None
                self.key, self.compiled = key, make()
            return self.compiled


HOLDER = Holder()
