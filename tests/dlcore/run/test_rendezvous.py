"""Meeting: ranks belong to processes, and anything that does not fit makes all start from the commit."""

from dlcore.run.rendezvous import Agreement, Claim, agree

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
