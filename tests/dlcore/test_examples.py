"""The examples of transfer learning run, each from a file of a network; those of Keras and Caffe have learnt the digits from 0 to 4."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from dlcore.keras import KerasModule, KerasNetwork, keras
from dlcore.zoo.caffe.schema import message
from examples import transfer_caffe, transfer_keras, transfer_torchvision
from examples.digits import classified

NET = """
name: "digits"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" convolution_param { num_output: 16 kernel_size: 4 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc" inner_product_param { num_output: 5 } }
"""


def accuracies(told: str) -> list[float]:
    return [float(each) for each in re.findall(r"accuracy ([\d.]+)", told)]


def layered() -> nn.Module:
    """The net of ``NET`` by torch."""
    convolutions = [nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 4), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(144, 5))


def caffemodel(module: nn.Module) -> bytes:
    net = message("NetParameter")(name="digits")
    for name, layer in zip(("conv1", "conv2", "fc"), (module[0], module[2], module[5]), strict=True):  # type: ignore[index]
        added = net.layer.add(name=name)
        for tensor in (layer.weight, layer.bias):
            added.blobs.add(data=tensor.flatten().tolist()).shape.dim.extend(tensor.shape)
    return bytes(net.SerializeToString())


def test_on_a_caffe_net(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = classified(layered, (1, 8, 8), range(5)).module
    (tmp_path / "deploy.prototxt").write_text(NET)
    (tmp_path / "trained.caffemodel").write_bytes(caffemodel(trained))
    files = str(tmp_path / "deploy.prototxt"), str(tmp_path / "trained.caffemodel")
    transfer_caffe.main(*files)
    digits, pairs = accuracies(capsys.readouterr().out)
    assert digits > 0.9 and pairs > 0.7
    frozen, of_net = transfer_caffe.classifier(*files).state_dict(), trained.state_dict()
    assert torch.equal(frozen["0.0.conv1.weight"], of_net["0.weight"])


def test_by_torchvision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        save_file(resnet18(num_classes=5).state_dict(), tmp_path / "trained.safetensors")  # in place of trained ones
    transfer_torchvision.main(str(tmp_path / "trained.safetensors"))
    digits, pairs = accuracies(capsys.readouterr().out)
    assert digits > 0.5 and pairs > 0.5


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"
)  # of Keras, which writes its own file
def test_by_keras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = classified(KerasNetwork(network), (8, 8, 1), range(5)).module
    assert isinstance(trained, KerasModule)
    trained.model.save(tmp_path / "trained.keras")
    transfer_keras.main(str(tmp_path / "trained.keras"))
    digits, pairs = accuracies(capsys.readouterr().out)
    assert digits > 0.9 and pairs > 0.7


def network() -> Any:
    low, high = (keras.layers.Conv2D(16, 3, activation="relu", name=name) for name in ("low", "high"))
    end = [keras.layers.Flatten(), keras.layers.Dense(5)]
    return keras.Sequential([keras.Input((8, 8, 1)), low, high, *end])
