"""What travels to a node that has Hadoop and Java alone: Spark's jars as one file, and Python with its packages as another."""

import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pyspark
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
OURS = ("apps", "pipelines", "dlcore", "features", "infra")
PACKAGES = Path(sysconfig.get_path("purelib"))
GPU = PACKAGES / "nvidia"
"""Libraries (2.7 GB) without which PyTorch's build for GPUs does not load, and of which nothing here runs; its build for CPUs has none."""
STEPS = (
    *("emberline[hdfs,openvino]", "great-expectations", "happybase", "jsonschema"),
    *("psutil", "pydantic-settings", "scikit-learn", "xgboost-cpu"),
)
"""What steps import on executors."""
ELSEWHERE = ("pyspark", "nvidia", "triton")
"""How the names begin of what Spark sends along by itself, stays where it is, or is only used on GPUs."""
UNUSED = {"__pycache__", "include", "test", "tests", "site-packages"}
"""Folders that nobody imports from, or that are packed apart."""


def pack_spark(file: Path) -> None:
    """Write Spark's jars as ``spark.yarn.archive`` takes them."""
    with zipfile.ZipFile(file, "w") as archive:
        for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar"):
            archive.write(jar, jar.name)


def pack_python(file: Path, gpu: Path) -> None:
    """Write this Python, the packages that steps need, and the project as it stands, to run wherever the file is unpacked.

    NVIDIA's libraries do not travel: the node has them as ``gpu``.
    """
    standard = Path(sysconfig.get_path("stdlib"))
    packages = Path("lib") / standard.name / "site-packages"
    with tarfile.open(file, "w") as archive:
        archive.add(Path(sys.base_prefix) / "bin" / standard.name, "bin/python3")
        archive.add(standard, f"lib/{standard.name}", filter=_used)
        if sysconfig.get_config_var("Py_ENABLE_SHARED"):
            library = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("INSTSONAME")
            archive.add(library, f"lib/{library.name}")
        for path, place in files():
            archive.add(path, str(packages / place), filter=_used)
        link = tarfile.TarInfo(str(packages / GPU.name))
        link.type, link.linkname = tarfile.SYMTYPE, str(gpu)
        archive.addfile(link)


def files() -> Iterator[tuple[Path, str]]:
    """Every file or folder of the packages, with its place among them."""
    for found in needed().values():
        for file in found.files or ():
            if not {*file.parts} & {*UNUSED, ".."}:
                yield Path(str(file.locate())), str(file)
    for name in OURS:
        yield ROOT / name, name
    (told,) = PACKAGES.glob("emberline-*.dist-info")
    yield told, told.name


def needed() -> dict[str, Distribution]:
    """The distributions that steps ask for on this machine, with all that those ask for."""
    found: dict[str, Distribution] = {}
    seen, wanted = set(), [Requirement(name) for name in STEPS]
    while wanted:
        asked = wanted.pop()
        name, extras = canonicalize_name(asked.name), frozenset(asked.extras)
        if (name, extras) in seen or name.startswith(ELSEWHERE):
            continue
        seen.add((name, extras))
        found[name] = distribution(name)
        wanted += [other for other in map(Requirement, found[name].requires or ()) if _applies(other, extras)]
    del found["emberline"]  # taken from the checkout, since set-up only links to it
    return found


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def _used(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(entry.name).name in UNUSED else entry
