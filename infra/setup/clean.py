"""Remove state by kind: ``python3 -m infra.setup.clean runs``. Standard library alone, since the environment is one of the kinds."""

import os
import shutil
import sys
from pathlib import Path

KINDS = {
    "runs": ("runs", "reports", "spark/events", "spark/scratch", "logs"),
    "tables": ("warehouse", "metastore", "hbase"),
    "models": ("registry",),
    "airflow": ("airflow",),
    "data": ("landing", "download", "setup/data-*"),
    "cache": ("cache",),
    "environment": ("venv", "tools", "setup"),
}


def chosen(kind: str) -> tuple[str, ...]:
    """Patterns of paths below the state folder that belong to a kind."""
    if kind == "all":
        return ("",)
    if kind not in KINDS:
        raise SystemExit(f"make clean takes KIND, one of {', '.join([*KINDS, 'all'])}; got {kind!r}")
    return KINDS[kind]


def running(state: Path) -> list[str]:
    """The services that still live on this state."""
    notes = {"Airflow": state / "airflow" / "service.json", "HBase": state / "hbase" / "service.json"}
    return [name for name, note in notes.items() if note.exists()]


def main(kinds: list[str]) -> None:
    state = Path(os.environ.get("EMBERLINE_STATE") or "state").expanduser().resolve()
    patterns = [pattern for kind in kinds or [""] for pattern in chosen(kind)]
    if living := running(state):
        raise SystemExit(f"{' and '.join(living)} may run on this state; end it first with: make stop")
    for path in [found for pattern in patterns for found in (sorted(state.glob(pattern)) if pattern else [state])]:
        if path.is_dir():
            shutil.rmtree(path)
            print(f"removed {path}")
        elif path.exists():
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
