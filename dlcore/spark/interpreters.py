"""Whether the executors' Python can do what the driver asks of it, said in a sentence before anything is written.

A small job of the kind that training runs, so that the processes it starts are those that go on; once for a session and its executors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from dlcore.spark.errors import cause_of
from dlcore.spark.silence import brief

NEEDED = ("numpy", "pandas", "pyarrow", "safetensors", "tenacity", "torch", "dlcore")
EQUAL = ("python", "torch", "dlcore")
"""What decides a result's bits, or whether what the driver sends can be read."""


def refuse_other_python(session: SparkSession, *, limit_s: float) -> None:
    """Raise a RuntimeError that says how the executors' Python differs; a TimeoutError where it says nothing for ``limit_s``, twice."""
    context = session.sparkContext
    executors = context._jsc.sc().getExecutorMemoryStatus().keys()
    key = f"{context.applicationId} {executors.mkString(' ')}"
    if key in CHECKED.keys:
        return
    own, look = json.loads(looking(NEEDED)(0)), F.udf(looking(NEEDED), "string", useArrow=False)
    count = max(1, int(executors.size()))
    try:
        rows = brief(
            context, session.range(0, count, 1, count).select(look("id").alias("found")).collect, limit_s=limit_s
        )
    except (Py4JJavaError, PySparkException) as error:
        raise RuntimeError(
            f"the executors' Python, {context.pythonExec}, cannot begin: {cause_of(error)}. {_advice(own)}"
        ) from error
    for found in (json.loads(row.found) for row in rows):
        if differs := differing(found, own):
            raise RuntimeError(
                f"the executors' Python, {found['executable']} on {found['host']}, {differs}. {_advice(own)}"
            )
    CHECKED.keys.add(key)


@dataclass
class Checked:
    """The sessions, with their executors, whose Python was looked at: they outlive the training that looked."""

    keys: set[str] = field(default_factory=set)


CHECKED = Checked()


def differing(found: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """What a Python lacks, or has in another version than this one; empty where it will do."""
    if lacking := [name for name in NEEDED if found[name] is None]:
        return f"lacks {', '.join(lacking)}"
    other = [f"{name} {found[name]} and not {own[name]}" for name in EQUAL if found[name] != own[name]]
    return f"has {', '.join(other)}" if other else ""


def _advice(own: Mapping[str, Any]) -> str:
    return f"Set PYSPARK_PYTHON, before the session is made, to a Python that has on every host what the driver's has, {own['executable']}"


def looking(needed: tuple[str, ...]) -> Callable[[int], str]:
    """A function that tells of the Python that runs it; it imports nothing of ours, since dlcore may not be there."""

    def look(_: int) -> str:
        import hashlib
        import importlib.metadata
        import importlib.util
        import json
        import pathlib
        import platform
        import sys

        def version(name: str) -> str | None:
            spec = importlib.util.find_spec(name)
            if spec is None:
                return None
            if name != "dlcore":
                return importlib.metadata.version(name).partition("+")[0]
            found = hashlib.sha256()
            for folder in spec.submodule_search_locations or ():
                for file in sorted(pathlib.Path(folder).rglob("*.py")):
                    found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
            return found.hexdigest()[:8]

        told = {
            "python": ".".join(map(str, sys.version_info[:2])),
            "executable": sys.executable,
            "host": platform.node(),
        }
        return json.dumps(told | {name: version(name) for name in needed})

    return look
