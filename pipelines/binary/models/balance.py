"""What a draw did to the base rate, and how log-odds are corrected for it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Rows and positives of a frame before and after a draw, and the shift of log-odds that the draw made."""

    rows: int
    positives: int
    drawn_rows: int
    drawn_positives: int

    def __post_init__(self) -> None:
        if not (0 < self.positives < self.rows and 0 < self.drawn_positives < self.drawn_rows):
            raise ValueError(f"a bag needs positives and negatives, before and after its draw, got {self}")

    @property
    def shift(self) -> float:
        """What to add to a member's log-odds, so that they hold at the base rate before the draw."""
        return _log_odds(self.positives, self.rows) - _log_odds(self.drawn_positives, self.drawn_rows)


def _log_odds(positives: int, rows: int) -> float:
    return math.log(positives / (rows - positives))
