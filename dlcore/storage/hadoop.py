"""What is configured of Hadoop: in the Spark session of this process, else in the files of ``HADOOP_CONF_DIR``."""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

DEFAULT = "fs.defaultFS"
FILES = "core-site.xml", "hdfs-site.xml"
NAMESERVICES = "dfs.nameservices", "dfs.ha.namenodes.", "dfs.namenode.rpc-address."
"""What the keys begin with that say where the NameNodes of a nameservice are."""


def configured() -> dict[str, str]:
    """The default file system, and where the NameNodes of nameservices are, which other processes may not know."""
    session = _of_session()
    if session.get(DEFAULT, "").startswith("hdfs:"):
        return session
    return _of_files() or session


def _of_session() -> dict[str, str]:
    """Nothing where no session runs: Spark is not imported for that."""
    spark = sys.modules.get("pyspark")
    context = spark.SparkContext._active_spark_context if spark else None
    if context is None:
        return {}
    conf = context._jsc.hadoopConfiguration()
    found = {DEFAULT: conf.get(DEFAULT)}
    for prefix in NAMESERVICES:
        found |= {f"{prefix}{rest}": value for rest, value in conf.getPropsWithPrefix(prefix).items()}
    return found


def _of_files() -> dict[str, str]:
    folder = os.environ.get("HADOOP_CONF_DIR")
    files = [Path(folder) / name for name in FILES] if folder else []
    found = {
        each.findtext("name", "").strip(): each.findtext("value", "").strip()
        for file in files
        if file.exists()
        for each in ElementTree.parse(file).iter("property")
    }
    return {name: value for name, value in found.items() if name.startswith((DEFAULT, *NAMESERVICES))}
