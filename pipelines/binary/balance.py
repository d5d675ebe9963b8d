"""What a draw did to the base rate, and how log-odds are corrected for it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Rows and frauds of a frame before and after a draw, and the shift of log-odds that the draw made."""

    rows: int
    frauds: int
    drawn_rows: int
    drawn_frauds: int

    def __post_init__(self) -> None:
        if not (0 < self.frauds < self.rows and 0 < self.drawn_frauds < self.drawn_rows):
            raise ValueError(f"a bag needs frauds and normal rows, before and after its draw, got {self}")

    @property
    def shift(self) -> float:
        """What to add to a member's log-odds, so that they hold at the base rate before the draw."""
        return _log_odds(self.frauds, self.rows) - _log_odds(self.drawn_frauds, self.drawn_rows)


def _log_odds(frauds: int, rows: int) -> float:
    return math.log(frauds / (rows - frauds))
