"""A module on its way to the processes that score with it: as bytes that name themselves, and held once a process."""

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from dlcore.step.tuning import tune_model

if TYPE_CHECKING:
    from pyspark import Broadcast, SparkContext


@dataclass(frozen=True)
class Content:
    """A pickled module, which is the module itself where it is unpickled: no process holds both."""

    pickled: bytes

    def __reduce__(self) -> tuple[Any, ...]:
        from pyspark import cloudpickle

        return cloudpickle.loads, (self.pickled,)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A module by its ``id``, the digest of weights, structure and the code that travels with it."""

    id: str
    content: "Broadcast[Content]"

    @classmethod
    def over(cls, context: "SparkContext", module: nn.Module) -> "Shipped":
        """Over Spark's own channel to every process that asks."""
        content = pickled(module)
        return cls(id=hashlib.sha256(content).hexdigest(), content=context.broadcast(Content(content)))

    def open(self) -> nn.Module:
        """The module as this process holds it."""
        return MODULES.of(self)


@dataclass
class Modules:
    """The module that this process holds: it outlives the task that asked for it, so it cannot be an argument."""

    id: str = ""
    module: nn.Module | None = None

    def of(self, shipped: Shipped) -> nn.Module:
        if self.module is None or self.id != shipped.id:
            self.module = None
            self.id, self.module = shipped.id, ready(cast(nn.Module, shipped.content.value))  # see Content
        return self.module


MODULES = Modules()


def ready(module: nn.Module) -> nn.Module:
    """Set a module up for scoring as training sets it up, in place."""
    return tune_model(module.eval())


def pickled(module: nn.Module) -> bytes:
    """The module as bytes that are a function of what it is: equal modules of a program are equal bytes."""
    from pyspark import cloudpickle

    class Pickler(cloudpickle.CloudPickler):
        def reducer_override(self, obj: Any) -> Any:
            """Tensors by their elements; torch's own way names them by their addresses."""
            if type(obj) is Tensor and obj.layout is torch.strided and not obj.is_quantized:
                elements = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
                return _tensor, (elements, obj.dtype, tuple(obj.shape), obj.requires_grad)
            return super().reducer_override(obj)  # type: ignore[no-untyped-call]

    with io.BytesIO() as sink:
        try:
            Pickler(sink).dump(module)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise TypeError(
                f"the model cannot be sent to the executors, since it holds something that does not pickle "
                f"({type(error).__name__}: {error}); make what it needs inside the module, or pass plain values"
            ) from error
        return sink.getvalue()


def _tensor(elements: bytes, dtype: torch.dtype, shape: tuple[int, ...], requires_grad: bool) -> Tensor:
    if not elements:
        return torch.empty(shape, dtype=dtype, requires_grad=requires_grad)
    found = torch.frombuffer(bytearray(elements), dtype=torch.uint8).view(dtype).reshape(shape)
    return found.clone().requires_grad_(requires_grad)  # in memory of torch's own, which begins on 64-byte lines
