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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it, and never stop
    standalone_command.SubCommand = Component
    standalone_command.StandaloneCommand().run()
