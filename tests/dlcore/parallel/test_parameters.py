"""Parameters are shared out whole, evenly by size, by a function of sizes and workers."""

import pytest
from torch import nn

from dlcore.parallel.parameters import owners, slice_names, split_parameters

SIZES = [[5], [3, 3, 3], [100, 1, 1, 1, 1], [7, 7, 2, 9, 4, 4, 1, 30], list(range(50))]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_no_worker_owns_more_than_its_share_and_one_item(sizes: list[int], workers: int) -> None:
    found = owners(sizes, workers)
    loads = [sum(size for size, rank in zip(sizes, found, strict=True) if rank == each) for each in range(workers)]
    assert len(found) == len(sizes)
    assert max(loads) <= sum(sizes) / workers + max(sizes)
    assert max(loads) - min(loads) <= max(sizes)
    assert found == owners(sizes, workers)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_slices_hold_each_name_once(workers: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[2].bias.requires_grad_(False)
    owned = split_parameters(model, workers=workers)
    names = [name for rank in range(workers) for name in slice_names(model, owned, rank)]
    assert sorted(names) == sorted(model.state_dict())
    assert "2.bias" in slice_names(model, owned, 0)


def test_no_owner_is_refused() -> None:
    with pytest.raises(ValueError, match="workers=0"):
        owners([1], 0)
