"""What comes behind the last layers is found by the model's arrows alone, wherever branches meet."""

import numpy as np
import openvino as ov
from openvino import opset15

from dlcore.openvino.quantisation import behind_layers


def test_what_no_layer_follows_stays_in_float_and_what_one_branch_leads_to_a_layer_does_not() -> None:
    x, weights = opset15.parameter([2, 3], np.float32, name="x"), np.eye(3, dtype=np.float32)
    scaled = named(opset15.multiply(x, np.float32(2)), "scaled")
    first = named(opset15.matmul(scaled, weights, False, False), "first")
    shared = named(opset15.relu(first), "shared")
    second = named(opset15.matmul(shared, weights, False, False), "second")
    met = named(opset15.add(shared, second), "met")
    model = ov.Model([named(opset15.log(met), "log")], [x])
    assert sorted(behind_layers(model)) == ["log", "met"]


def named(node: ov.Node, name: str) -> ov.Node:
    node.set_friendly_name(name)
    return node
