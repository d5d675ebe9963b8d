"""Airflow standalone without the log servers that its scheduler and triggerer open on every interface.

On one machine the API server reads the log files themselves, so nothing is lost; what stays listens where it is told to.
"""

import signal
from typing import Any

from airflow.cli.commands import standalone_command

LOG_SERVERS = {"scheduler", "triggerer"}


class Component(standalone_command.SubCommand):
    """One process of standalone, told not to serve logs where it would."""

    def __init__(self, parent: Any, *, name: str, command: list[str], env: dict[str, str]) -> None:
        silent = ["--skip-serve-logs"] if name in LOG_SERVERS else []
        super().__init__(parent, name=name, command=[*command, *silent], env=env)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it, and never stop
    setattr(standalone_command, "SubCommand", Component)  # noqa: B010 (mypy takes a class for a constant)
    standalone: Any = standalone_command.StandaloneCommand
    standalone().run()


if __name__ == "__main__":
    main()
