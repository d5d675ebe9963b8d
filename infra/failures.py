"""The root causes inside the errors that Spark raises, whose own message often hides them."""

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

SPARK = (PySparkException, Py4JError)


def causes(error: BaseException) -> str:
    """The error's text with that of every Java exception below it."""
    return f"{error}\n{getattr(error, '_stackTrace', '')}"
