"""SSD300 on VGG16 is the paper's: its maps, its norm, its outputs from pictures as they are stored."""

import pytest
import torch

from dlcore.zoo.priors import SSD300
from dlcore.zoo.ssd import SSD, ssd300_vgg16


@pytest.fixture(scope="module")
def model() -> SSD:
    torch.manual_seed(1)
    return ssd300_vgg16(classes=21).eval()


@torch.no_grad()
def test_it_answers_for_every_prior(model: SSD) -> None:
    pictures = torch.randint(0, 256, (1, 300, 300, 3), dtype=torch.uint8)
    logits, offsets = model(pictures)
    assert (logits.shape, offsets.shape) == ((1, 8732, 21), (1, 8732, 4))
    floats = pictures.permute(0, 3, 1, 2).float()
    torch.testing.assert_close(model(floats)[0], logits)
    mean = torch.tensor([123.0, 117.0, 104.0])
    torch.testing.assert_close(model.pixels(pictures)[0, :, 7, 9], pictures[0, 7, 9] - mean)


@torch.no_grad()
def test_maps_are_the_papers(model: SSD) -> None:
    maps = list(model.backbone(torch.randn(1, 3, 300, 300)).values())
    assert [tuple(one.shape[1:]) for one in maps] == [
        *[(512, 38, 38), (1024, 19, 19), (512, 10, 10)],
        *[(256, 5, 5), (256, 3, 3), (256, 1, 1)],
    ]
    torch.testing.assert_close(maps[0].norm(dim=1), torch.full((1, 38, 38), 20.0))
    # 26,285,486 is the size of the paper's Caffe model for 20 classes and the background
    assert sum(weight.numel() for weight in model.parameters()) == 26_285_486


@torch.no_grad()
def test_logits_stand_in_the_order_of_the_priors(model: SSD) -> None:
    """A head that answers only for the second prior of a cell shows where its answers end up."""
    head = model.head.classification_head.module_list[3]
    weight, bias = head.weight.clone(), head.bias.clone()
    head.weight.zero_()
    head.bias.zero_()
    head.bias[21 + 4] = 5.0  # class 4 of the second prior
    try:
        logits = model(torch.zeros(1, 300, 300, 3, dtype=torch.uint8))[0][0]
    finally:
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    start = 38 * 38 * 4 + 19 * 19 * 6 + 10 * 10 * 6
    rows = (logits[start : start + 150, 4] == 5).nonzero().squeeze(1)
    assert rows.tolist() == list(range(1, 150, 6))
    side = (0.54 * 0.71) ** 0.5
    torch.testing.assert_close(SSD300.boxes_P4[start + rows, 2:], torch.full((25, 2), side))


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="classes=1"):
        ssd300_vgg16(classes=1)
