"""What storage fails at for a moment, tried again: a NameNode that changes over, a request that S3 turns away, a link that breaks."""

import errno
import logging

from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

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


patient = retry(
    retry=retry_if_exception(momentary),
    wait=wait_random_exponential(multiplier=0.1, max=PAUSE_S),
    stop=stop_after_delay(LONGEST_S),
    before_sleep=_say,
    reraise=True,
)
"""Makes a function that is tried again; it must do no harm when it is called twice."""
