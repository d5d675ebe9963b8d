"""The light SSD: its maps, ImageNet's weights in its backbone, and a loss that falls."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2

from dlcore.zoo.mobilenet_ssd import LIGHT, MobileNetMaps, mobilenet_ssd
from dlcore.zoo.multibox import MultiboxLoss
from dlcore.zoo.pretrained import read_state


@torch.no_grad()
def test_maps_are_the_backbones_own(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = mobilenet_v2().eval()
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    pictures = torch.randn(1, 3, 300, 300)
    for name in ("weights.safetensors", "weights.pth"):
        maps = MobileNetMaps(read_state(tmp_path / name)).eval()(pictures)
        assert [tuple(one.shape[1:]) for one in maps] == [
            *[(192, 38, 38), (576, 19, 19), (1280, 10, 10), (512, 5, 5), (256, 3, 3)]
        ]
        torch.testing.assert_close(maps[2], whole.features(pictures))


def test_it_learns_one_picture() -> None:
    torch.manual_seed(1)
    model, loss = mobilenet_ssd(classes=3), MultiboxLoss(priors=LIGHT)
    pictures = torch.zeros(2, 300, 300, 3, dtype=torch.uint8)
    pictures[:, 60:150, 90:210] = 200
    boxes = torch.tensor([[[0.3, 0.2, 0.7, 0.5], [0, 0, 0, 0]]]).repeat(2, 1, 1)
    targets = {"boxes": boxes, "labels": torch.tensor([[2, 0], [2, 0]])}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        total, matches = loss(model(pictures), targets)
        mean = total / matches
        mean.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(mean.item())
    assert losses[-1] < losses[0] / 2


def test_files_that_hold_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got weights\.bin"):
        read_state("weights.bin")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="got list"):
        read_state(tmp_path / "list.pt")
