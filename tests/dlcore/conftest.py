"""Real small data for dlcore's tests."""

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer


@pytest.fixture(scope="session")
def tumours() -> pd.DataFrame:
    """569 tumours with thirty measurements each, scaled, and whether they are benign (Wisconsin, in scikit-learn)."""
    table = load_breast_cancer(as_frame=True).frame.rename(columns=lambda name: name.replace(" ", "_"))
    measures = table.drop(columns="target")
    return ((measures - measures.mean()) / measures.std()).assign(benign=table["target"])
