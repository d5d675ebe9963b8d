import pytest

from tests.faults.test_kills import running


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of the program's run that nothing happens to."""
    with running("local[2]", str(tmp_path_factory.mktemp("unbroken"))) as run:
        return run.until("weights")
