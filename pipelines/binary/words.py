"""What an application calls the rows that it tells apart."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Words:
    """Positives and negatives, in the plural, as the report says them."""

    positives: str = "positives"
    negatives: str = "negatives"
