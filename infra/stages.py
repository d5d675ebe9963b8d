"""Stages of set-up: each leaves a stamp of its inputs when it is whole, so what is done stays done and what broke off runs again."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One piece of set-up: ``make`` brings it about from ``inputs``, and may be run again over anything it left half done."""

    name: str
    inputs: tuple[str, ...]
    make: Callable[[], None]
    present: Callable[[], bool]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("\0".join(self.inputs).encode()).hexdigest()


def undone(stages: Iterable[Stage], stamps: Path) -> list[Stage]:
    """The stages whose stamp is absent or of other inputs, or whose result is gone."""
    return [stage for stage in stages if _stamp(stage, stamps) != stage.fingerprint or not stage.present()]


def run(stages: list[Stage], stamps: Path) -> None:
    """Run the stages in order, saying which and for how long."""
    stamps.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(stages, start=1):
        print(f"[{number}/{len(stages)}] {stage.name} ...", flush=True)
        began = time.monotonic()
        (stamps / stage.name).unlink(missing_ok=True)
        stage.make()
        replace(stamps / stage.name, stage.fingerprint)
        print(f"[{number}/{len(stages)}] {stage.name}: done in {time.monotonic() - began:.0f} s", flush=True)


def replace(file: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text)
    aside.rename(file)


def _stamp(stage: Stage, stamps: Path) -> str:
    file = stamps / stage.name
    return file.read_text() if file.exists() else ""
