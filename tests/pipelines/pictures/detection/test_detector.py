"""A training of a detector begins with ImageNet's weights, and with nothing that chance has made beside its seed."""

import torch
from torchvision.models import mobilenet_v2

from pipelines.pictures.detection.detector import network, pretrained


def test_what_a_training_begins_with_is_a_function_of_weights_and_seed_alone() -> None:
    weights, starts = mobilenet_v2(weights=None).state_dict(), []
    for chance in (1, 2):
        torch.manual_seed(chance)
        starts.append(pretrained(weights).fitting(network(4)))
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0] | starts[1])
    assert torch.equal(starts[0]["backbone.to_8.0.0.weight"], weights["features.0.0.weight"])
    assert not any(name.startswith("head.") for name in starts[0])
