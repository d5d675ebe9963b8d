"""Which linear algebra library Spark ML and torch compute with."""

import sys
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession


def spark_ml(spark: SparkSession) -> str:
    """The class that Spark ML's large matrix products go through: JNIBLAS, or what does them in Java."""
    blas: Any = spark.sparkContext._jvm
    blas = blas.dev.ludovic.netlib.blas
    try:
        found = blas.NativeBLAS.getInstance()
    except Py4JJavaError:  # no native library: Spark then falls back to Java, as we do here
        found = blas.JavaBLAS.getInstance()
    return str(found.getClass().getSimpleName())


def library(spark: SparkSession) -> str:
    """The native library that Spark's JVM was told to load; empty where it was told none."""
    jvm: Any = spark.sparkContext._jvm
    return str(jvm.java.lang.System.getProperty("dev.ludovic.netlib.blas.nativeLibPath", ""))


def sentence(spark: SparkSession | None) -> str:
    """What a log should say of a step that has this session, once its libraries are imported."""
    parts = [*([f"Spark ML by {_spark_ml(spark)}"] if spark else []), *_torch()]
    return f"linear algebra: {'; '.join(parts) or 'neither Spark ML nor torch'}"


def _spark_ml(spark: SparkSession) -> str:
    found = spark_ml(spark)
    return f"{found} on {library(spark)}" if found == "JNIBLAS" else f"{found}, in Java"


def _torch() -> list[str]:
    """Of torch only where the step has imported it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    return ["torch by MKL" if torch.backends.mkl.is_available() else "torch without MKL"]
