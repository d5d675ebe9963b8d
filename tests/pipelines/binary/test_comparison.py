"""The report says on which rows models are compared."""

from dataclasses import replace

import numpy as np

from pipelines.binary.comparison import Comparison
from pipelines.binary.frames.roles import Words
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Cost, Scored
from pipelines.section import Text


def told(compared: Comparison) -> str:
    (text,) = [part.text for part in compared.result().parts if isinstance(part, Text)]
    return text


def test_of_a_sample_it_is_told_how_many_rows_it_was_drawn_of() -> None:
    rows = Scored(label=np.array([0, 1, 0, 1]), value=np.ones(4), probability=np.array([0.1, 0.9, 0.2, 0.8]))
    own = Rated(title="Ensemble", own=True, validation=rows, test=rows)
    whole = Comparison(models=(own,), cost=Cost(review=1.0), words=Words(positives="frauds"))
    assert "Test: the last 4 rows with 2 frauds, on which nothing is chosen" in told(whole)
    sample = told(replace(whole, left_out={"test": 1_996, "validation": 0}))
    assert "Test: the last 2,000 rows, 4 of them drawn by a hash of their key, with 2 frauds" in sample
    assert "validation: the 4 rows with 2 frauds before them" in sample
