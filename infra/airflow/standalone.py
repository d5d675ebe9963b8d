"""Airflow standalone without the log servers that its scheduler and triggerer open on every interface.

On one machine the API server reads the log files themselves, so nothing is lost; what stays listens where it is told to. A
component that ends by itself is started again.
"""

import signal
import subprocess
import threading
import time
from typing import IO, Any

from airflow.cli.commands import standalone_command

LOG_SERVERS = {"scheduler", "triggerer"}
LONG_S, DELAYS_S = 30.0, (1.0, 60.0)
"""A component that lived less long than this is started again after a delay that doubles, from the first to the last."""


class Component(standalone_command.SubCommand):
    """One process of standalone, told not to serve logs where it would, and started again until it is to stop."""

    def __init__(self, parent: Any, *, name: str, command: list[str], env: dict[str, str]) -> None:
        silent = ["--skip-serve-logs"] if name in LOG_SERVERS else []
        super().__init__(parent, name=name, command=[*command, *silent], env=env)
        self.stopping = threading.Event()

    def run(self) -> None:
        delay_s = DELAYS_S[0]
        while not self.stopping.is_set():
            began = time.monotonic()
            code = self.lived()
            if time.monotonic() - began > LONG_S:
                delay_s = DELAYS_S[0]
            if not self.stopping.is_set():
                self.say(f"ended with code {code} and is started again in {delay_s:.0f} s".encode())
                self.stopping.wait(delay_s)
            delay_s = min(2 * delay_s, DELAYS_S[1])

    def lived(self) -> int:
        """Start the process and wait for its end; what it left running may hold its output open for longer."""
        command = ["airflow", *self.command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env)
        threading.Thread(target=self.relay, args=(self.process.stdout,), daemon=True).start()
        if self.stopping.is_set():
            self.process.terminate()
        return self.process.wait()

    def relay(self, output: IO[bytes]) -> None:
        for line in output:
            self.say(line)

    def say(self, line: bytes) -> None:
        self.parent.output_queue.append((self.name, line))

    def stop(self) -> None:
        self.stopping.set()
        if self.process is not None:
            self.process.terminate()


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it, and never stop
    setattr(standalone_command, "SubCommand", Component)  # noqa: B010 (mypy takes a class for a constant)
    standalone: Any = standalone_command.StandaloneCommand
    standalone().run()


if __name__ == "__main__":
    main()
