"""The first hour's page, from a built wheel to scored rows, in a folder of its own: ``python -m tests.bench.first_hour``.

What pip would download comes from this environment, by links, so that only the wheel is new; else each command is run as it stands there.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"`(\w+\.py)`")
LOOPBACK = "spark.driver.host 127.0.0.1\nspark.driver.bindAddress 127.0.0.1\nspark.ui.enabled false\n"
GOAL_RIGHT = 0.9


def blocks(page: str) -> Iterator[tuple[str | None, str]]:
    """Each block of the page: a program with the name of its file, the first in the paragraph before it; or commands."""
    for found in BLOCK.finditer(page):
        paragraph = page[: found.start()].rstrip().rpartition("\n\n")[2]
        named = FILE.search(paragraph) if found[1] == "python" else None
        yield (named and named[1]), found[2]


def build(folder: Path) -> None:
    """Build the wheel of a copy of the sources, as pip does, so that nothing is left in the checkout."""
    with tempfile.TemporaryDirectory() as copy:
        files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        named = subprocess.run(files, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["xargs", "-0", "cp", "--parents", "-t", copy], cwd=ROOT, input=named, check=True)
        backend = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
        subprocess.run([sys.executable, "-c", backend, folder], cwd=copy, stdout=subprocess.DEVNULL, check=True)


def link(environment: Path) -> None:
    """Give an environment the packages of this one, but not the project itself; an old setuptools would be in their way."""
    subprocess.run([environment / "bin" / "pip", "--quiet", "uninstall", "--yes", "setuptools"], check=True)
    here, there = (Path(sysconfig.get_path("purelib", vars=paths)) for paths in (None, {"base": str(environment)}))
    for package in here.iterdir():
        if "emberline" not in package.name and not (there / package.name).exists():
            (there / package.name).symlink_to(package)


def run(command: str, folder: Path) -> str:
    """Run commands in the folder and return what they print; a CalledProcessError where one fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYSPARK"))}
    environment = kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "SPARK_CONF_DIR": str(folder),
        "PIP_NO_INDEX": "1",
    }
    began = time.monotonic()
    ran = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    print(f"$ {command.strip()}\n{ran.stdout}({time.monotonic() - began:.1f} s)\n", flush=True)
    return ran.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as created:
        folder, printed = Path(created), ""
        (folder / "spark-defaults.conf").write_text(LOOPBACK)
        for file, text in blocks(PAGE.read_text()):
            if file is not None:
                (folder / file).write_text(text)
                continue
            printed += run(text, folder)
            if "-m venv" in text:
                link(folder / ".venv")
                build(folder)
        [right] = re.findall(r"right: ([\d.]+)", printed)
        steps = [int(each) for each in re.findall(r"epoch 40, step (\d+)", printed)]
        print(
            f"{float(right):.3f} of new rows right, goal {GOAL_RIGHT}; the run that was gone on with took {steps[-1]} steps"
        )
        if float(right) < GOAL_RIGHT:
            raise SystemExit("MISSED")


if __name__ == "__main__":
    main()
