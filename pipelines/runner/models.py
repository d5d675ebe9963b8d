"""Commands on an app's published models: ``python -m apps fraud models list|show|pin|unpin|promote|rollback|delete [VERSION]``."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from dlcore import ArtifactError
from pipelines.registry import Registry

BY = "by hand"


def main(app: str, folder: Path, argv: list[str]) -> None:
    """Run one command on the registry in ``folder`` and print what it did; a refusal ends the program with its sentence."""
    parser = argparse.ArgumentParser(prog=f"apps {app} models", description="List, show and move published models.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("version", nargs="?", default="", help="a version's id, or enough of its start")
    given = parser.parse_args(argv)
    registry = Registry(folder=folder)
    try:
        with registry.changing():
            print(COMMANDS[given.command](registry, given.version))
    except (ArtifactError, LookupError, ValueError) as refused:
        raise SystemExit(str(refused)) from None


def listed(registry: Registry, _: str) -> str:
    """One line a version: champion and pins marked, with its first figure on its own test rows."""
    lines = [_line(registry, version) for version in registry.versions()]
    return "\n".join(lines) or f"no versions in {registry.folder}; a run's publish step adds one"


def _line(registry: Registry, version: str) -> str:
    pointers = registry.pointers()
    marks = ("champion" if version == pointers.champion else "", "pinned" if version in pointers.pinned else "")
    try:
        details = registry.load(version).details
    except ArtifactError as refused:
        return f"{version[:12]}  refused: {refused}"
    days = ", ".join(f"{each['ds']}" for each in details["data"])
    name, value = next(
        iter(details["test"].items())
    )  # the figure that comes first is the one that models are compared by
    figure = f"{name.replace('_', ' ')} {value:.4f} on its test rows"
    return f"{version[:12]}  {figure}  {days}  {' '.join(mark for mark in marks if mark)}".rstrip()


def shown(registry: Registry, name: str) -> str:
    """A version's details and every move of the champion to or from it."""
    version = registry.version(name)
    moves = [vars(move) for move in registry.pointers().moves if version in (move.before, move.after)]
    details = {name: value for name, value in registry.load(version).details.items() if name != "profile"}
    return json.dumps({"version": version, "moves": moves} | details, indent=1)


def pin(registry: Registry, name: str) -> str:
    version = registry.version(name)
    registry.load(version)
    registry.pin(version)
    return f"pinned {version}: it will not be deleted, and keeps its place while it is champion"


def unpin(registry: Registry, name: str) -> str:
    version = registry.version(name)
    registry.unpin(version)
    return f"unpinned {version}"


def roll_back(registry: Registry, name: str) -> str:
    """Back to the version given, or to the one before the champion."""
    if not name:
        return f"champion is {registry.roll_back(by=BY)} again"
    version = registry.version(name)
    registry.promote(version, by=BY, reason=f"rolled back from {registry.pointers().champion}", back=True)
    return f"champion is {version}"


def promote(registry: Registry, name: str) -> str:
    """Make a version champion whatever its figures, where a person knows better."""
    version = registry.version(name)
    registry.promote(version, by=BY, reason="promoted by hand")
    return f"champion is {version}"


def delete(registry: Registry, name: str) -> str:
    version = registry.version(name)
    registry.delete(version)
    return f"deleted {version}"


COMMANDS: dict[str, Callable[[Registry, str], str]] = {
    "list": listed,
    "show": shown,
    "pin": pin,
    "unpin": unpin,
    "promote": promote,
    "rollback": roll_back,
    "delete": delete,
}
