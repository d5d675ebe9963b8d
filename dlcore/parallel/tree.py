"""The shares of a global batch, which worker holds which, and the one tree in which what they give is summed.

Sums of floats depend on their order. So that it is the same on any number of workers, shares are summed in a binary tree that is a
function of their number alone. A node is the range of the shares below it. A worker holds neighbouring shares, so it sums most of them
before it sends anything: the nodes that lie within what it holds.
"""

from collections.abc import Iterator, MutableMapping

from torch import Tensor

from dlcore.data.order import part

Parts = MutableMapping[range, Tensor]
"""Sums that are known, by the node of the tree they are of."""


def holdings(shares: int, *, workers: int) -> list[range]:
    """The shares of each rank: neighbours, as evenly as can be."""
    if not 1 <= workers <= shares:
        raise ValueError(f"{shares} shares are held by 1 to {shares} workers, got {workers}")
    return [range(shares)[part(shares, rank, workers)] for rank in range(workers)]


def halves(node: range) -> tuple[range, range]:
    """The nodes below one of two shares or more: of a tree whose every left side is full."""
    middle = node.start + (1 << (len(node) - 1).bit_length() - 1)
    return range(node.start, middle), range(middle, node.stop)


def subtrees(held: range, *, shares: int) -> list[range]:
    """The fewest nodes that make up ``held``."""
    return [*_within(held, range(shares))]


def _within(held: range, node: range) -> Iterator[range]:
    if held.start <= node.start and node.stop <= held.stop:
        yield node
    elif held.start < node.stop and node.start < held.stop:
        for half in halves(node):
            yield from _within(held, half)


def put(parts: Parts, share: int, given: Tensor, *, shares: int) -> None:
    """Take what ``share`` gives among ``parts``, and add up what this makes complete, in the place of the left side's sum."""
    parts[range(share, share + 1)] = given
    for node in reversed([*_above(share, range(shares))]):
        if not _add(parts, node):
            return


def _above(share: int, node: range) -> Iterator[range]:
    while len(node) > 1:
        yield node
        left, right = halves(node)
        node = left if share in left else right


def total(parts: Parts, *, shares: int) -> Tensor:
    """The sum over all shares, of parts that make up the tree; it takes the place of theirs."""
    return _total(parts, range(shares))


def _total(parts: Parts, node: range) -> Tensor:
    if node not in parts:
        left, right = halves(node)
        parts[node] = _total(parts, left).add_(_total(parts, right))
    return parts[node]


def _add(parts: Parts, node: range) -> bool:
    left, right = halves(node)
    if not (left in parts and right in parts):
        return False
    parts[node] = parts.pop(left).add_(parts.pop(right))
    return True
