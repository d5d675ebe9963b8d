"""Meeting: ranks belong to processes, and anything that does not fit makes all start from the commit."""

from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Timer

import pytest

from dlcore.parallel.collective import BrokenGroup
from dlcore.run.control import ControlClient, ControlServer
from dlcore.run.rendezvous import Agreement, Claim, agree, all_ready, begins, dismiss, ended, meet, outcome

WARM = [Claim(rank=1, generation="g", step=40), Claim(rank=0, generation="g", step=40)]


def test_all_claims_fit_in_any_order_of_arrival() -> None:
    assert agree(WARM, step=40) == Agreement(ranks=(1, 0), warm=True)


def test_a_new_process_takes_the_free_rank_and_all_start_cold() -> None:
    assert agree([WARM[0], Claim()], step=40) == Agreement(ranks=(1, 0), warm=False)


def test_another_step_generation_or_a_rank_twice_is_cold() -> None:
    assert not agree(WARM, step=41).warm
    assert not agree([WARM[0], Claim(rank=0, generation="h", step=40)], step=40).warm
    assert agree([WARM[0], WARM[0]], step=40) == Agreement(ranks=(1, 0), warm=False)


def test_ranks_beyond_the_group_are_given_anew() -> None:
    assert sorted(agree([Claim(rank=7), Claim(rank=1)], step=0).ranks) == [0, 1]


def test_first_comers_have_no_rank() -> None:
    assert agree([Claim(), Claim(), Claim()], step=0) == Agreement(ranks=(0, 1, 2), warm=False)


@pytest.fixture
def server() -> Iterator[ControlServer]:
    with closing(ControlServer("127.0.0.1")) as server:
        yield server


def test_of_attempts_at_one_task_the_first_to_come_takes_part(server: ControlServer) -> None:
    control = ControlClient("127.0.0.1", server.port, server.key, patience_s=5)
    assert [begins(control, "g", task) for task in (0, 1, 0, 0, 1)] == [True, True, False, False, False]


def test_an_attempt_that_comes_when_the_group_is_over_takes_no_part(server: ControlServer) -> None:
    dismiss(server.post, "g", "the group is over")
    assert not begins(ControlClient("127.0.0.1", server.port, server.key, patience_s=5), "g", 0)


@pytest.mark.parametrize(
    "wait",
    [
        lambda control: meet(control, "g", Claim(), workers=2, step=0),
        lambda control: all_ready(control, "g", workers=2),
    ],
)
def test_who_waits_for_a_lost_worker_is_told_to_leave(
    server: ControlServer, wait: Callable[[ControlClient], object]
) -> None:
    dismiss(server.post, "g", "Spark lost a task")
    with pytest.raises(BrokenGroup, match="before the group"):
        wait(ControlClient("127.0.0.1", server.port, server.key, patience_s=5))


def test_a_second_attempt_ends_as_the_first_does(server: ControlServer) -> None:
    control = ControlClient("127.0.0.1", server.port, server.key, patience_s=5)
    end = Timer(0.2, server.post, (ended("g", 1), {"rank": 0, "step": 40}))
    end.start()
    assert outcome(control, "g", 1) == {"rank": 0, "step": 40}
    dismiss(server.post, "g", "Spark lost a task")
    assert outcome(control, "g", 0) is None
