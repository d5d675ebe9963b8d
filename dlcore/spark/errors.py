"""What went wrong in another process, told in this one: a worker's error, and the sentence in a failure of Spark's."""

import builtins
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pyspark import cloudpickle

TRACE = "Traceback (most recent call last):"


def pickled(error: Exception) -> bytes:
    """The exception for Spark's own channel to the driver; one that does not pickle goes as its text."""
    try:
        content: bytes = cloudpickle.dumps(error)  # type: ignore[no-untyped-call]
        cloudpickle.loads(content)
    except Exception:  # noqa: BLE001 - pickling runs the exception's own code
        content = cloudpickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))  # type: ignore[no-untyped-call]
    return content


def described(error: Exception, *, rank: int, trace: str) -> dict[str, Any]:
    """An exception as JSON, for when the task's result cannot come."""
    return {"kind": type(error).__name__, "message": str(error), "rank": rank, "trace": trace}


def rebuilt(told: Mapping[str, Any]) -> Exception:
    """The exception that was described, if it is one of Python's own that takes a text; else a RuntimeError that names it."""
    kind, message = getattr(builtins, told["kind"], None), told["message"]
    error: Exception = RuntimeError(f"{told['kind']}: {message}")
    if isinstance(kind, type) and issubclass(kind, Exception):
        with suppress(TypeError):
            error = kind(message)
    return noted(error, rank=told["rank"], trace=told["trace"])


def noted(error: Exception, *, rank: int, trace: str) -> Exception:
    where = f"rank {rank}" if rank >= 0 else "a worker before it had a rank"
    error.add_note(f"raised on {where} of the training group:\n{trace}")
    return error


def in_python(error: Exception) -> bool:
    """Whether a failure of Spark's is an exception of a Python worker's."""
    return TRACE in str(error)


def is_caused_by(error: Exception, kind: type[Exception]) -> bool:
    """Whether a failure of Spark's is an exception of this ``kind`` of a Python worker's."""
    return in_python(error) and cause_of(error).startswith(f"{kind.__module__}.{kind.__qualname__}:")


def cause_of(error: Exception) -> str:
    """The sentence in a failure of Spark's: the exception of its last Python traceback, else what stands before Java's."""
    _, found, trace = str(error).rpartition(TRACE)
    if found:
        return next((line for line in trace.splitlines() if line.strip() and not line[0].isspace()), trace.strip())
    lines = trace.partition("\n\tat ")[0].splitlines()
    return " ".join(line.strip(": ") for line in lines if line.strip() and not line.startswith("An error occurred"))
