"""Who owns a run: numbered entries, each created by one driver alone, though several may think that the run is theirs.

``000000007.json`` is a claim or a commit. A driver that takes a run over claims the number after the newest entry's; what it does has
the numbers that follow. So the next number of the driver before is taken, and that one finds out when it comes to use it. Claims stay
for as long as the run does: a number that was taken once is never free again for whoever comes late.
"""

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from dlcore.storage.folder import Folder

ENTRY = re.compile(r"(\d{9})\.json")
BROKEN_OFF = re.compile(r"(\d{9})\.json\.[0-9a-f]{8}")
"""What a driver leaves that is killed while it makes an entry."""
CLAIM = "claim"


class LostRun(RuntimeError):
    """Another driver has taken the run over; what this one has done since then counts for nothing, and has harmed nothing."""


@dataclass(frozen=True)
class Journal:
    """The entries of a run, in ``folder``."""

    folder: Folder

    def numbers(self) -> list[int]:
        return [int(found[1]) for name in self.folder.names() if (found := ENTRY.fullmatch(name))]

    def read(self, number: int) -> dict[str, Any]:
        """An entry; a ValueError where its file is damaged."""
        content = json.loads(self.folder.read(_file(number)))
        if not isinstance(content, dict):
            raise ValueError(f"{_file(number)} must be a JSON object")
        return content

    def claim(self) -> int:
        """Take the run over, and return the number of the claim: no other driver has it, and all before are before it."""
        claim = {"host": platform.node(), "process": os.getpid(), "at": _now(), "id": uuid4().hex}
        number = 0
        while number != (newest := max(self.numbers(), default=0)) or number == 0:  # others may be claiming too
            number = newest + 1
            if not self._create(number, {CLAIM: claim}):
                number = 0
        return number

    def add(self, number: int, content: Mapping[str, Any]) -> None:
        """Make the entry ``number``; LostRun where another driver has."""
        if not self._create(number, content):
            raise self._lost(number)

    def refuse_lost(self, number: int) -> None:
        """Raise LostRun where another driver has the entry ``number``, the next of this one's."""
        if self.folder.exists(_file(number)):
            raise self._lost(number)

    def remove(self, number: int) -> None:
        self.folder.delete(_file(number))

    def clear(self, *, before: int) -> None:
        """Delete what killed drivers left of entries that they did not come to make."""
        for name in self.folder.names():
            if (found := BROKEN_OFF.fullmatch(name)) and int(found[1]) < before:
                self.folder.delete(name)

    def _create(self, number: int, content: Mapping[str, Any]) -> bool:
        return self.folder.create(_file(number), json.dumps(content, indent=1).encode())

    def _lost(self, number: int) -> LostRun:
        by = self.read(number).get(CLAIM, {})
        who = f"process {by['process']} on {by['host']}, at {by['at']}" if by else "another driver"
        return LostRun(
            f"the run in {self.folder.where} was taken over by {who}; this driver ends, what it has done since then counts for nothing. "
            "Two drivers must not train into one folder: end one, or give it another folder"
        )


def _file(number: int) -> str:
    return f"{number:09d}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
