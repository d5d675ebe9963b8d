from pathlib import Path

import pytest

from infra.settings import Settings
from pipelines.runner import params
from pipelines.runner.run import Run


def run(tmp_path: Path, **given: object) -> Run:
    values = params.validated(params.schema(Path("apps/fraud/params.json")), given)
    return Run(
        app="fraud",
        id="manual__2013-09-02T00:00:00",
        ds="2013-09-02",
        member=0,
        params=values,
        settings=Settings(state=tmp_path),
    )


def test_an_outcome_that_is_not_there_names_its_step(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no outcome of step 'split'.*run that step first"):
        run(tmp_path).outcome("split")
