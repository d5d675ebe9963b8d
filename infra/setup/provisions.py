"""Stages of set-up: each leaves a stamp of its inputs when it is whole, so what is done stays done and what broke off runs again."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


def cache_folder() -> Path:
    """What every checkout of this user shares: ``EMBERLINE_CACHE``, else ``emberline`` in the user's cache folder."""
    if named := os.environ.get("EMBERLINE_CACHE"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "emberline"


@dataclass(frozen=True, kw_only=True)
class Provision:
    """One piece of set-up: ``make`` brings it about from ``inputs``, and may be run again over anything it left half done."""

    name: str
    inputs: tuple[str, ...]
    make: Callable[[], None]
    present: Callable[[], bool]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("\0".join(self.inputs).encode()).hexdigest()


def undone(provisions: Iterable[Provision], stamps: Path) -> list[Provision]:
    """The provisions whose stamp is absent or of other inputs, or whose result is gone."""
    return [
        provision
        for provision in provisions
        if _stamp(provision, stamps) != provision.fingerprint or not provision.present()
    ]


def run(provisions: list[Provision], stamps: Path) -> None:
    """Run the provisions in order, saying which and for how long."""
    stamps.mkdir(parents=True, exist_ok=True)
    for number, provision in enumerate(provisions, start=1):
        print(f"[{number}/{len(provisions)}] {provision.name} ...", flush=True)
        began = time.monotonic()
        (stamps / provision.name).unlink(missing_ok=True)
        provision.make()
        replace(stamps / provision.name, provision.fingerprint)
        print(f"[{number}/{len(provisions)}] {provision.name}: done in {time.monotonic() - began:.0f} s", flush=True)


def replace(file: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text)
    aside.rename(file)


def _stamp(provision: Provision, stamps: Path) -> str:
    file = stamps / provision.name
    return file.read_text() if file.exists() else ""
