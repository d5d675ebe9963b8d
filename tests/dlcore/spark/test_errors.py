"""What went wrong in another process is told with its own words."""

import pytest

from dlcore.run.control import LostDriver
from dlcore.spark.errors import cause_of, described, in_python, is_caused_by, rebuilt

JAVA = """An error occurred while calling o47.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Most recent failure reason: Stage failed because barrier task 1 failed.
org.apache.spark.api.python.PythonException: [PYTHON_EXCEPTION] An exception was thrown from the Python worker: {trace}
\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:581)
Caused by: org.apache.spark.api.python.PythonException: [PYTHON_EXCEPTION] An exception was thrown from the Python worker: {trace}
\t... 21 more
"""
TRACE = """Traceback (most recent call last):
  File "worker.py", line 3602, in main
    func = read_udfs(
           ^^^^^^^^^^
ModuleNotFoundError: No module named 'losses'
 SQLSTATE: 38000"""


def test_the_cause_is_the_exception_of_the_python_traceback() -> None:
    error = RuntimeError(JAVA.format(trace=TRACE))
    assert in_python(error)
    assert cause_of(error) == "ModuleNotFoundError: No module named 'losses'"


def test_an_exception_of_ours_is_known_by_its_name() -> None:
    said = TRACE.replace("ModuleNotFoundError", "dlcore.run.control.LostDriver")
    assert is_caused_by(RuntimeError(JAVA.format(trace=said)), LostDriver)
    assert not is_caused_by(RuntimeError(JAVA.format(trace=TRACE)), LostDriver)
    assert not is_caused_by(RuntimeError(JAVA.format(trace="dlcore.run.control.LostDriver: no traceback")), LostDriver)


def test_without_one_it_is_what_stands_before_javas_stack() -> None:
    error = RuntimeError(JAVA.format(trace="Python worker exited unexpectedly (crashed)."))
    assert not in_python(error)
    assert cause_of(error).startswith("org.apache.spark.SparkException: Job aborted due to stage failure")
    assert cause_of(error).endswith("Python worker exited unexpectedly (crashed).")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ValueError("too few"), ValueError, "too few"),
        (pytest.UsageError("not yours"), RuntimeError, "UsageError: not yours"),
        (
            UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
            RuntimeError,
            "UnicodeDecodeError: 'utf-8' codec can't decode",
        ),
        (ExceptionGroup("all", [ValueError("one")]), RuntimeError, "ExceptionGroup: all"),
    ],
)
def test_an_error_that_was_told_as_text_is_rebuilt(error: Exception, kind: type[Exception], text: str) -> None:
    found = rebuilt(described(error, rank=3, trace="in picky"))
    assert type(found) is kind
    assert str(found).startswith(text)
    assert found.__notes__ == ["raised on rank 3 of the training group:\nin picky"]
