"""Spark's Python daemon with torch loaded before it forks, so that a worker process starts in milliseconds.

``spark.python.daemon.module=dlcore.spark.daemon``, set when the session starts, spares each worker process, and each that takes
the place of a lost one, three seconds of processor time. The first Python job of an executor pays them once.
"""

from pyspark.daemon import manager

import dlcore.spark.worker  # noqa: F401 - its import is what the workers are to find done

if __name__ == "__main__":
    manager()
