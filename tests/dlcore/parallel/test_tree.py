"""The tree of shares: the same sum, bit for bit, whoever holds which shares."""

import pytest
import torch
from torch import Tensor

from dlcore.parallel.tree import Parts, halves, holdings, put, subtrees, total

GRID = [(shares, workers) for shares in range(1, 18) for workers in range(1, shares + 1)]


def given(shares: int) -> list[Tensor]:
    """Numbers of very different sizes, whose sum depends on its order."""
    drawn = torch.Generator().manual_seed(shares)
    return [torch.randn(50, generator=drawn) * 10.0 ** (share % 7) for share in range(shares)]


def by_hand(numbers: list[Tensor]) -> Tensor:
    """Neighbours are added until one is left; an odd one waits for the next round."""
    while len(numbers) > 1:
        pairs = [numbers[at] + numbers[at + 1] for at in range(0, len(numbers) - 1, 2)]
        numbers = pairs + numbers[len(numbers) - len(numbers) % 2 :]
    return numbers[0]


@pytest.mark.parametrize(("shares", "workers"), GRID)
def test_each_share_is_held_once_and_subtrees_make_up_what_is_held(shares: int, workers: int) -> None:
    held = holdings(shares, workers=workers)
    assert [share for each in held for share in each] == list(range(shares))
    assert max(map(len, held)) - min(map(len, held)) <= 1
    for each in held:
        nodes = subtrees(each, shares=shares)
        assert [share for node in nodes for share in node] == list(each)
        assert len(nodes) <= 2 * shares.bit_length()


@pytest.mark.parametrize(("shares", "workers"), GRID)
def test_the_sum_is_the_same_bits_for_any_number_of_workers(shares: int, workers: int) -> None:
    everything: Parts = {}
    for held in holdings(shares, workers=workers):
        parts: Parts = {}
        for share in held:
            put(parts, share, given(shares)[share], shares=shares)
        assert [*parts] == subtrees(held, shares=shares), "what can be added has been"
        everything.update(parts)
    assert torch.equal(total(everything, shares=shares), by_hand(given(shares)))


def test_left_sides_are_full() -> None:
    assert halves(range(4, 11)) == (range(4, 8), range(8, 11))
    assert halves(range(2)) == (range(1), range(1, 2))


def test_more_workers_than_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="2 shares are held by 1 to 2 workers, got 3"):
        holdings(2, workers=3)
