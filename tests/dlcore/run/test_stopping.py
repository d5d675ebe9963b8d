"""A run stops after a step, with a commit to go on from, when a thread, a file or a signal asks for it."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dlcore import Progress, Stop
from dlcore.run.commits import Commits
from dlcore.run.stopping import StopRequests
from dlcore.storage.folder import Folder
from tests.dlcore.run.test_fit_here import columns, same, training


def at(epoch: int, ask: Callable[[], object]) -> Callable[[Progress], None]:
    """Ask for a stop once, at the end of an epoch."""

    def tell(record: Progress) -> None:
        if record.epoch == epoch:
            ask()

    return tell


def test_another_thread_may_stop_a_run_which_then_goes_on_as_if_it_had_not(
    tumours: pd.DataFrame, tmp_path: Path
) -> None:
    stop, given = Stop(), columns(tumours) | {"folder": str(tmp_path)}

    def ask() -> None:
        asking = threading.Thread(target=stop.set)
        asking.start()
        asking.join()

    part = training().fit(tumours, **given, stop=stop, on_progress=at(2, ask))
    assert part.history[-1].step == 18
    rest = training().fit(tumours, **given)
    assert same(rest.module, training().fit(tumours, **columns(tumours)).module)


def test_a_file_in_the_folder_stops_a_run_and_is_gone_then(tumours: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    part = training().fit(tumours, **columns(tumours), folder=str(tmp_path))
    assert part.history == ()
    assert not (tmp_path / "stop").exists()
    assert len(training().fit(tumours, **columns(tumours), folder=str(tmp_path)).history) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_delivered_after_the_commit(tumours: pd.DataFrame, tmp_path: Path, number: signal.Signals) -> None:
    came: list[int] = []
    before = signal.signal(number, lambda number, _: came.append(number))
    try:
        given = columns(tumours) | {"folder": str(tmp_path)}
        part = training().fit(tumours, **given, on_progress=at(2, lambda: signal.raise_signal(number)))
        assert (part.history[-1].step, came) == (18, [number])
        assert len(training().fit(tumours, **given).history) == 4
    finally:
        signal.signal(number, before)


def test_ctrl_c_interrupts_the_program_once_the_state_is_safe(tumours: pd.DataFrame, tmp_path: Path) -> None:
    given = columns(tumours) | {"folder": str(tmp_path)}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            training().fit(tumours, **given, on_progress=at(3, lambda: signal.raise_signal(signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)
    newest = Commits(Folder(f"{tmp_path}/commits")).latest()
    assert newest is not None
    assert newest.step == 28  # the step that all have taken with the question


def test_what_is_ignored_stays_so_and_a_second_signal_is_delivered_at_once(tmp_path: Path) -> None:
    came: list[int] = []
    requests, folder = StopRequests(None, Folder(str(tmp_path))), Folder(str(tmp_path))
    before = [signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda n, _: came.append(n))]
    try:
        with requests.heeding_signals():
            signal.raise_signal(signal.SIGINT)
            assert not requests.asked
            signal.raise_signal(signal.SIGTERM)
            assert (requests.asked, came) == (True, [])
            signal.raise_signal(signal.SIGTERM)
            assert came == [signal.SIGTERM]
        assert came == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert folder.names() == []
