"""What a run was set up with, in words: equal words mean equal training, and a difference can be named."""

import copyreg
import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcore.step.method import Method

NAMED = sys.stdlib_module_names | {"torch", "dlcore"}
"""What these bring is named; torch's version is a setting, and commits have a format."""
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
ENDS = ("epochs", "end")
OWN_TO_MODULES = frozenset(vars(nn.Module()))


def settings(method: Method, *, data: str, workers: int) -> dict[str, str]:
    """The settings that decide a run's result, and the data's fingerprint; the number of workers where a step depends on it.

    When it ends is none of them: more epochs go on from those that are done.
    """
    found = {name: describe(getattr(method, name)) for name in Method.__dataclass_fields__ if name not in ENDS}
    by_worker = method.kept_batch == "worker" or method.average_every is not None
    counted = {"workers": str(workers)} if by_worker else {}
    return found | counted | {"model": architecture(method), "data": data, "torch": torch.__version__}


def architecture(method: Method) -> str:
    """The function that makes the model, and the model's structure, attributes and code; its weights are what commits hold."""
    return f"{describe(method.model)} makes {Words(weights=False).of(method.build())}"


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that is not what it was; one that another version does not know is None there."""
    names = sorted(before.keys() | now.keys())
    return [f"{n} was {was}, is {is_}" for n in names if (was := before.get(n, "None")) != (is_ := now.get(n, "None"))]


def describe(value: Any) -> str:
    """A text that is the same in another process for the same value, and another for another."""
    return Words().of(value)


def fingerprint(function: Callable[..., Any]) -> str:
    """A name of what a function does, whatever module it stands in."""
    return hashlib.sha256(
        describe(function).replace(f"{getattr(function, '__module__', None)}.", "").encode()
    ).hexdigest()[:16]


class Words:
    """Words for values: what objects hold, what functions do, digests of arrays; an object that came before is told by its number.

    Without ``weights``, parameters and buffers of modules are told by kind and shape.
    """

    def __init__(self, *, weights: bool = True) -> None:
        self._weights = weights
        self._told: dict[int, tuple[int, Any]] = {}  # with the objects, so that no other gets the id of one

    def of(self, value: Any) -> str:
        kind = type(value)
        if isinstance(value, PLAIN):
            return repr(value)
        if isinstance(value, ModuleType):
            return value.__name__
        if kind in (set, frozenset):
            return f"{{{', '.join(sorted(map(self.of, value)))}}}"
        if kind is tuple:  # constants, which Python may or may not make one object of
            return f"({self._several(value)})"
        if id(value) in self._told:
            return f"{kind.__qualname__} {self._told[id(value)][0]}"
        self._told[id(value)] = len(self._told), value
        return self._first(value)

    def _first(self, value: Any) -> str:
        if isinstance(value, list):
            return f"[{self._several(value)}]"
        if type(value) is dict:
            return f"{{{', '.join(f'{self.of(key)}: {self.of(each)}' for key, each in value.items())}}}"
        if isinstance(value, Tensor | np.ndarray):
            return _digest(value)
        if isinstance(value, partial):
            return f"{self.of(value.func)}({self._several(value.args, sorted(value.keywords.items()))})"
        if isinstance(value, type | FunctionType):
            return self._defined(value)
        if isinstance(value, MethodType):
            return f"{self.of(value.__self__)}.{self.of(value.__func__)}"
        return self._object(value)

    def _several(self, values: Iterable[Any], named: Iterable[tuple[str, Any]] = ()) -> str:
        return ", ".join([*map(self.of, values), *(f"{name}={self.of(each)}" for name, each in named)])

    def _object(self, value: Any) -> str:
        kind = type(value)
        if isinstance(value, nn.Module):
            return f"{self.of(kind)}({self._module(value)})"
        if dataclasses.is_dataclass(value):
            fields = [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
            return f"{self.of(kind)}({self._several((), fields)})"
        return self._reduced(value)

    def _reduced(self, value: Any) -> str:
        """An object in the words of pickle: what it is made with, and then given (``object.__reduce__``)."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 - an object's own code: what cannot be pickled has nothing that workers could be sent
            return self.of(type(value))
        if isinstance(reduced, str):
            return f"{getattr(value, '__module__', '')}.{reduced}"
        make, arguments, *given = reduced
        if make is copyreg.__newobj__:  # type: ignore[attr-defined]
            make, *arguments = arguments
        attributes = given.pop(0) if given and type(given[0]) is dict else {}
        items = [list(each) if isinstance(each, Iterator) else each for each in given if each is not None]
        by_name = sorted(attributes.items(), key=lambda item: str(item[0]))
        return f"{self.of(make)}({self._several([*arguments, *items], by_name)})"

    def _module(self, module: nn.Module) -> str:
        plain = [(name, each) for name, each in sorted(vars(module).items()) if name not in OWN_TO_MODULES]
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        if self._weights:
            return self._several((), [*plain, *tensors, *module.named_children()])
        shapes = [f"{name}={self._shape(tensor)}" for name, tensor in tensors]
        return ", ".join(filter(None, [self._several((), plain), *shapes, self._several((), module.named_children())]))

    def _shape(self, tensor: Tensor) -> str:
        """Kind and shape; of a tied tensor, which came before, its number."""
        if id(tensor) in self._told:
            return self.of(tensor)
        self._told[id(tensor)] = len(self._told), tensor
        return _kind(tensor)

    def _defined(self, value: Any) -> str:
        """A class or function: its name, and a hash of its code."""
        name = f"{value.__module__}.{value.__qualname__}"
        if str(value.__module__).partition(".")[0] in NAMED:
            return name
        code = self._function(value) if isinstance(value, FunctionType) else self._class(value)
        return f"{name}#{_hash(code.encode())}"

    def _class(self, kind: type) -> str:
        members = [(name, _unwrapped(each)) for name, each in sorted(vars(kind).items())]
        told = [
            (name, each)
            for name, each in members
            if isinstance(each, FunctionType) or (isinstance(each, (*PLAIN, tuple)) and not name.startswith("__"))
        ]
        return self._several(kind.__bases__, told)

    def _function(self, function: FunctionType) -> str:
        """Code, and the values that it sees beside its arguments: closure, defaults and its module's constants, functions and classes."""
        seen = [_content(cell) for cell in function.__closure__ or ()]
        defaults = (function.__defaults__, function.__kwdefaults__)
        found = {name: function.__globals__.get(name) for name in _names(function.__code__)}
        ours = [
            (name, value)
            for name, value in found.items()
            if isinstance(value, (*PLAIN, tuple, frozenset))
            or (isinstance(value, type | FunctionType) and value.__module__ == function.__module__)
        ]
        return f"{self._code(function.__code__, function.__doc__)} {self._several([*seen, defaults], ours)}"

    def _code(self, code: CodeType, doc: str | None = None) -> str:
        constants = [each for each in code.co_consts if each is not doc or doc is None]
        told = [self._code(each) if isinstance(each, CodeType) else self.of(each) for each in constants]
        return f"{code.co_code.hex()} {code.co_names} {told}"


def _names(code: CodeType) -> list[str]:
    inner = [name for each in code.co_consts if isinstance(each, CodeType) for name in _names(each)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def _content(cell: Any) -> Any:
    """What a closure's cell holds; nothing while its name is not assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return ...


def _unwrapped(member: Any) -> Any:
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


def _digest(array: Any) -> str:
    if isinstance(array, np.ndarray):
        content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    else:
        content = array.detach().to_dense().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{_kind(array)}#{_hash(content)}"


def _kind(array: Any) -> str:
    return f"{str(array.dtype).removeprefix('torch.')}{list(array.shape)}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
