"""The loss is that of loops, and its sum and weight add up over any shares of a batch."""

import pytest
import torch
from torch import Tensor

from dlcore.zoo.multibox import MultiboxLoss
from tests.dlcore.zoo import plain
from tests.dlcore.zoo.test_matching import SMALL, some_boxes

LOSS = MultiboxLoss(priors=SMALL)


def a_batch() -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    outputs = (torch.randn(5, len(SMALL), 4, generator=generator), torch.randn(5, len(SMALL), 4, generator=generator))
    rows = [some_boxes(6, seed) for seed in range(5)]
    boxes, labels = (torch.stack(column) for column in zip(*rows, strict=True))
    labels[4] = 0  # a picture of nothing
    return outputs, {"boxes": boxes, "labels": labels, "difficult": torch.zeros_like(labels)}


def test_it_is_that_of_loops() -> None:
    (logits, offsets), targets = a_batch()
    centred, corners = SMALL.boxes_P4.double().numpy(), SMALL.corners_P4.double().numpy()
    columns = [column.double().numpy() for column in (logits, offsets, targets["boxes"])]
    expected = [
        plain.loss(logit, offset, boxes, labels, centred, corners)
        for logit, offset, boxes, labels in zip(*columns, targets["labels"].tolist(), strict=True)
    ]
    total, matches = LOSS((logits, offsets), targets)
    assert int(matches) == sum(count for _, count in expected) > 10
    assert float(total) == pytest.approx(sum(value for value, _ in expected), rel=1e-6)


def test_shares_add_up_to_the_batch() -> None:
    outputs, targets = a_batch()
    whole = LOSS(outputs, targets)
    shares = [
        LOSS((outputs[0][part], outputs[1][part]), {name: value[part] for name, value in targets.items()})
        for part in (slice(0, 1), slice(1, 4), slice(4, 5))
    ]
    torch.testing.assert_close(sum(total for total, _ in shares), whole[0])
    assert sum(matches for _, matches in shares) == whole[1]
    assert [float(part) for part in shares[2]] == [0, 0]


def test_only_matches_and_the_hardest_get_a_gradient() -> None:
    (logits, offsets), targets = a_batch()
    logits.requires_grad_()
    total, matches = LOSS((logits, offsets), targets)
    total.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    touched = logits.grad.abs().sum(dim=2) > 0
    matched = LOSS.targets(targets["boxes"], targets["labels"])[0] > 0
    assert touched[matched].all()
    rest = (touched & ~matched).sum(dim=1)
    assert (rest == torch.minimum(matched.sum(dim=1) * 3, (~matched).sum(dim=1))).all()
    assert int(matches) == int(matched.sum())


def test_outputs_of_other_priors_are_refused() -> None:
    _, targets = a_batch()
    with pytest.raises(ValueError, match="the priors of the model"):
        LOSS((torch.zeros(5, 7, 4), torch.zeros(5, 7, 4)), targets)
