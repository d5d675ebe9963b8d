import json
from pathlib import Path

import pytest

from infra.airflow import results, summary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split = {"times": {"launched": 100.0, "began": 102.0, "ready": 105.0, "ended": 110.0}}
    train = {"times": {"launched": 90.0, "began": 91.0, "ready": 92.0, "ended": 100.0}}
    columns = [{"title": "On the same test rows"}, {"title": "Average precision"}]
    lines = [{"cells": ["Ensemble", "0.8300"]}, {"cells": ["Random forest", "0.8094"]}]
    listing = {"kind": "listing", "columns": columns, "lines": lines}
    evaluate = {
        "times": {},
        "sections": [{"cards": [{"name": "Average precision"}], "parts": [{"kind": "text"}, listing]}],
    }
    for name, outcome in {"split": split, "train@000": train, "evaluate": evaluate}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(outcome))
    return tmp_path


def test_shares_come_in_the_order_the_steps_were_launched_and_sum_up(folder: Path) -> None:
    assert [share.step for share in results.step_times(folder)] == ["train@000", "split"]
    lines = [line.split() for line in summary.times(folder).splitlines()]
    assert lines[1] == ["train@000", "10.0", "10%", "10%", "80%"]
    assert lines[2] == ["split", "10.0", "20%", "30%", "50%"]
    assert lines[3][-4:] == ["20.0", "15%", "20%", "65%"]


def test_models_stand_side_by_side_under_their_titles(folder: Path) -> None:
    lines = summary.figures(folder).splitlines()
    assert lines[0].split() == ["On", "the", "same", "test", "rows", "Average", "precision"]
    assert lines[2].split() == ["Random", "forest", "0.8094"]


def test_a_run_that_did_not_get_to_evaluation_closes_without_figures(tmp_path: Path) -> None:
    assert summary.figures(tmp_path) == ""
    assert "all steps together" in summary.times(tmp_path)
