"""What the control server holds: messages by key, counters and queues, for threads that post, look and wait."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

WAITING = 100
"""How many messages of a queue may wait for the driver; then no more are taken."""


class Board:
    """A message is anything that JSON carries; a counter is a message that is a number."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages = dict[str, Any]()
        self._queues = defaultdict[str, deque[Any]](deque)

    def post(self, key: str, message: Any) -> None:
        with self._changed:
            self._messages[key] = message
            self._changed.notify_all()

    def look(self, key: str) -> Any:
        """The message under ``key``, or None while there is none."""
        with self._changed:
            return self._messages.get(key)

    def wait(self, key: str, longest_s: float) -> list[Any]:
        """The message under ``key`` alone, or nothing when none has come in time."""
        with self._changed:
            self._changed.wait_for(lambda: key in self._messages, longest_s)
            return [self._messages[key]] if key in self._messages else []

    def count(self, key: str) -> int:
        """Add one to a counter and return how many came before."""
        with self._changed:
            before = int(self._messages.get(key, 0))
            self._messages[key] = before + 1
            self._changed.notify_all()
            return before

    def tell(self, queue: str, message: Any) -> bool:
        """Add a message to a queue, unless too many wait there; whether it was added."""
        with self._changed:
            if len(self._queues[queue]) >= WAITING:
                return False
            self._queues[queue].append(message)
            return True

    def take(self, queue: str) -> Any:
        """The next message of a queue, or None while there is none."""
        with self._changed:
            return self._queues[queue].popleft() if self._queues[queue] else None


ASKED: Mapping[str, Callable[..., Any]] = {
    "post": Board.post,
    "look": Board.look,
    "wait": Board.wait,
    "count": Board.count,
    "tell": Board.tell,
}
"""What workers may ask for, by its name in a message."""
