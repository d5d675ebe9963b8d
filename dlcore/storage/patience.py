"""What storage fails at for a moment, tried again: a NameNode that changes over, a request that S3 turns away, a link that breaks."""

import errno
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)
from tenacity.stop import stop_base

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("dlcore")

LONGEST_S, PAUSE_S = 60.0, 5.0
"""How long something is tried, and the longest pause between two tries."""
LASTING = FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError
CODES = {
    errno.EDQUOT,
    errno.EINVAL,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTEMPTY,
    errno.EROFS,
    errno.EXDEV,
}
"""What would be the same a moment later: a full disk, a name that cannot be."""


def momentary(error: BaseException) -> bool:
    """Whether it may go otherwise the next time."""
    return isinstance(error, OSError) and not isinstance(error, LASTING) and error.errno not in CODES


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("storage failed and is tried again: %s", str(error).partition("\n")[0])


def _again(until: stop_base) -> Callable[[Callable[P, R]], Callable[P, R]]:
    return retry(
        retry=retry_if_exception(momentary),
        wait=wait_random_exponential(multiplier=0.1, max=PAUSE_S),
        stop=until,
        before_sleep=_say,
        reraise=True,
    )


patient, twice = _again(stop_after_delay(LONGEST_S)), _again(stop_after_attempt(2))
"""Each makes a function that is tried again, for long or once; it must do no harm when it is called several times."""
