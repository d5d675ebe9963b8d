"""The end of a job whose workers do not end: once one of them has left the group, the others must follow soon."""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkContext

from dlcore.control import Switchboard

log = logging.getLogger("dlcore")
POLL_S, GRACE_S = 0.5, 10.0


@contextmanager
def guarded(context: SparkContext, switchboard: Switchboard, group: str) -> Iterator[None]:
    """Run the body's Spark job; cancel it when a worker has left ``group`` and the job still runs ``GRACE_S`` later.

    A worker that hangs in the user's code is found so: the others wait for it in a collective as long as their patience
    lasts, leave, and Spark then ends the process of the one that does not.
    """
    tag = f"dlcore-{uuid.uuid4().hex[:8]}"
    over = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(context, switchboard, group, tag, over), name="dlcore-guard", daemon=True
    )
    context.addJobTag(tag)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        context.removeJobTag(tag)


def _watch(context: SparkContext, switchboard: Switchboard, group: str, tag: str, over: threading.Event) -> None:
    while not over.wait(POLL_S):
        left = switchboard.look(f"{group}/left")
        if left is not None and not over.wait(GRACE_S):
            log.warning("a worker has left the group and another does not end: %s; its job is cancelled", left)
            context.cancelJobsWithTag(tag)
            return
