"""What a run was set up with, in words: equal words mean equal training, and a difference can be named."""

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from pyspark import cloudpickle

from dlcore.recipe import Recipe


def settings(recipe: Recipe, *, data: str, workers: int) -> dict[str, str]:
    """The settings that decide a run's result, and the data's fingerprint; the number of workers where the batch depends on it."""
    found = {name: describe(getattr(recipe, name)) for name in Recipe.__dataclass_fields__}
    counted = {"workers": str(workers)} if recipe.kept_batch == "worker" else {}
    return found | counted | {"model": architecture(recipe), "data": data}


def architecture(recipe: Recipe) -> str:
    """The model's structure and the shapes of its parameters."""
    model = recipe.build()
    shapes = ", ".join(f"{name}{list(parameter.shape)}" for name, parameter in model.named_parameters())
    return f"{model} with {shapes}"


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that is not what it was; one that another version does not know is None there."""
    names = sorted(before.keys() | now.keys())
    return [f"{n} was {was}, is {is_}" for n in names if (was := before.get(n, "None")) != (is_ := now.get(n, "None"))]


def describe(value: Any) -> str:
    """A text that is the same in another process for the same value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ", ".join(f"{f.name}={describe(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__qualname__}({fields})"
    if isinstance(value, partial):
        arguments = [*map(describe, value.args), *(f"{k}={describe(v)}" for k, v in sorted(value.keywords.items()))]
        return f"{describe(value.func)}({', '.join(arguments)})"
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}#{_code(value)}"
    if inspect.isclass(value) or inspect.isbuiltin(value):
        return f"{value.__module__}.{value.__qualname__}"
    call = inspect.getattr_static(type(value), "__call__", None)
    if isinstance(call, FunctionType) and repr(value) == object.__repr__(
        value
    ):  # a class that does not tell its settings
        held = ", ".join(f"{name}={describe(each)}" for name, each in sorted(vars(value).items()))
        return f"{describe(call)}({held})"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _code(function: FunctionType) -> str:
    cells = [describe(cell.cell_contents) for cell in function.__closure__ or ()]
    defaults = describe(function.__defaults__)
    return hashlib.sha256(f"{_words(function.__code__)} {cells} {defaults}".encode()).hexdigest()[:8]


def _words(code: CodeType) -> str:
    constants = [_words(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def shippable(recipe: Recipe) -> None:
    """Check that each part of ``recipe`` can be sent to a worker; a TypeError names the one that cannot."""
    parts: dict[str, Callable[..., Any] | None] = {
        name: getattr(recipe, name) for name in ("model", "loss", "optimizer", "schedule", "clip", "transform")
    }
    for name, part in parts.items():
        try:
            cloudpickle.dumps(part)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise TypeError(
                f"Training.{name} cannot be sent to the workers, since it holds something that does not pickle "
                f"({type(error).__name__}: {error}); make what it needs inside the function, or pass plain values"
            ) from error
