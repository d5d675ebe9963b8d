"""Networks are cut at a layer and frozen up to it by what they compute, with their own weights."""

import pickle

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from dlcore.zoo.cutting import cut, freeze
from dlcore.zoo.mobilenet_ssd import mobilenet_ssd


class Branched(nn.Module):
    """``late`` is written before ``early``, and ``beside`` feeds only the sum after both."""

    def __init__(self) -> None:
        super().__init__()
        self.late = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.beside = nn.Conv2d(3, 4, 5)
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.late(self.early(x)) + self.beside(x)
        return joined


def test_a_cut_computes_up_to_the_layer_with_the_same_weights() -> None:
    model, x = Branched().eval(), torch.randn(2, 3, 9, 9)
    part = cut(model, "early.1")
    torch.testing.assert_close(part(x), model.early[1](model.early[0](x)))
    assert part.get_submodule("early.0").weight is model.early[0].weight
    assert not any(name.startswith(("late", "beside")) for name, _ in part.named_parameters())
    early, beside = cut(model, "early", "beside")(x)
    torch.testing.assert_close(early, model.early(x))
    torch.testing.assert_close(beside, model.beside(x))
    assert not part.training


def test_a_cut_network_goes_to_other_processes() -> None:
    part, x = cut(Branched().eval(), "early.1"), torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(pickle.loads(pickle.dumps(part))(x), part(x))


def test_freezing_follows_the_computation() -> None:
    model, x = Branched(), torch.randn(2, 3, 9, 9)
    assert freeze(model, upto="early.1") == ["early.0", "early.1"]
    moving = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert moving == {"late.0.weight", "late.0.bias", "late.1.weight", "late.1.bias", "beside.weight", "beside.bias"}
    assert isinstance(model.early[1], FrozenBatchNorm2d)
    statistics = model.early[1].running_mean.clone()
    model.train()(x).sum().backward()
    assert torch.equal(model.early[1].running_mean, statistics)
    assert model.early[0].weight.grad is None


def test_a_detector_gives_its_features() -> None:
    model = mobilenet_ssd(classes=4).eval()
    pictures = torch.zeros(1, 300, 300, 3, dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(cut(model, "backbone.to_16")(pictures), model.backbone(model.pixels(pictures))[1])
    assert "backbone.to_8.0.0" in freeze(model, upto="backbone.to_16")
    assert all(weight.requires_grad for weight in model.head.parameters())


def test_an_unknown_layer_is_answered_with_those_near_it() -> None:
    with pytest.raises(ValueError, match=r"no layer earl; near it are early"):
        cut(Branched(), "earl")
    with pytest.raises(ValueError, match="at least"):
        cut(Branched())


def test_a_path_that_depends_on_data_is_refused() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.one(x) if x.sum() > 0 else x

    with pytest.raises(ValueError, match="cannot follow Choosing"):
        freeze(Choosing(), upto="one")
