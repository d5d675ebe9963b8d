"""Small Caffe nets, written as files with weights from a seed: ``python -m tests.dlcore.zoo.caffe.nets FOLDER`` writes them all."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format  # type: ignore[import-untyped]

from dlcore.zoo.caffe.schema import message

CLASSIC = """
name: "classic"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 23 dim: 21 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 group: 2 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 6 kernel_h: 3 kernel_w: 1 pad_h: 2 pad_w: 0 dilation: 2 bias_term: false } }
layer { name: "tanh2" type: "TanH" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "drop" type: "Dropout" bottom: "pool2" top: "pool2" dropout_param { dropout_ratio: 0.5 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool2" top: "fc" inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
RESIDUAL = """
name: "residual"
input: "data"
input_shape { dim: 2 dim: 4 dim: 9 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" batch_norm_param { eps: 0.001 } }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "bn" top: "prelu" }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "prelu" top: "sum"
        eltwise_param { operation: SUM coeff: 0.5 coeff: 2 } }
layer { name: "slice" type: "Slice" bottom: "sum" top: "left" top: "right" slice_param { axis: 1 slice_point: 4 } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "left" top: "sigmoid" }
layer { name: "power" type: "Power" bottom: "sigmoid" top: "power" power_param { power: 2 scale: 3 shift: 0.5 } }
layer { name: "product" type: "Eltwise" bottom: "power" bottom: "right" top: "product" eltwise_param { operation: PROD } }
layer { name: "larger" type: "Eltwise" bottom: "product" bottom: "data" top: "larger" eltwise_param { operation: MAX } }
layer { name: "joined" type: "Concat" bottom: "larger" bottom: "right" top: "joined" }
layer { name: "elu" type: "ELU" bottom: "joined" top: "joined" elu_param { alpha: 1 } }
layer { name: "global" type: "Pooling" bottom: "joined" top: "global" pooling_param { pool: AVE global_pooling: true } }
"""
SHAPES = """
name: "shapes"
input: "data"
input_shape { dim: 2 dim: 4 dim: 6 dim: 5 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 1 } }
layer { name: "norm" type: "Normalize" bottom: "conv" top: "norm"
        norm_param { across_spatial: false channel_shared: false } }
layer { name: "copies" type: "Split" bottom: "norm" top: "one" top: "other" }
layer { name: "sum" type: "Eltwise" bottom: "one" bottom: "other" top: "sum" }
layer { name: "perm" type: "Permute" bottom: "sum" top: "perm"
        permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "flat" type: "Flatten" bottom: "perm" top: "flat" flatten_param { axis: 1 } }
layer { name: "shape" type: "Reshape" bottom: "flat" top: "shape" reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "soft" type: "Softmax" bottom: "shape" top: "soft" softmax_param { axis: 2 } }
"""
NETS = {"classic": CLASSIC, "residual": RESIDUAL, "shapes": SHAPES}
SHAPES_OF_BLOBS: dict[str, dict[str, list[tuple[int, ...]]]] = {
    "classic": {"conv1": [(8, 2, 3, 3), (8,)], "conv2": [(6, 8, 3, 1)], "fc": [(10, 72), (10,)]},
    "residual": {"conv": [(8, 4, 3, 3), (8,)], "bn": [(8,), (8,), (1,)], "scale": [(8,), (8,)], "prelu": [(8,)]},
    "shapes": {"conv": [(6, 4, 1, 1), (6,)], "norm": [(6,)]},
}
INPUTS = {"classic": (2, 4, 23, 21), "residual": (2, 4, 9, 8), "shapes": (2, 4, 6, 5)}


def weights(name: str) -> Any:
    """The message of a caffemodel: the net's layers with weights, all from one seed."""
    random = np.random.default_rng(11)
    net = message("NetParameter")(name=name)
    for layer, shapes in SHAPES_OF_BLOBS[name].items():
        added = net.layer.add(name=layer)
        for shape in shapes:
            values = random.normal(0, 0.5, shape)
            if layer in ("bn", "norm"):
                values = np.abs(values) + 0.1
            blob = added.blobs.add(data=values.ravel().tolist())
            blob.shape.dim.extend(shape)
    return net


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Both files of a net."""
    files = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    files[0].write_text(NETS[name])
    text_format.Parse(NETS[name], message("NetParameter")())
    files[1].write_bytes(weights(name).SerializeToString())
    return files


def given(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the net is given in the tests, and was given for the expected answers."""
    return np.random.default_rng(12).normal(0, 1, INPUTS[name]).astype(np.float32)


def face_input() -> np.ndarray[Any, np.dtype[np.float32]]:
    """A picture of coloured squares for the face detector, [1, 3, 300, 300]: it finds many doubtful faces in it."""
    squares = np.random.default_rng(13).normal(0, 60, (1, 3, 10, 10))
    return np.kron(squares, np.ones((1, 1, 30, 30))).astype(np.float32)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for each in NETS:
        write(each, target)
        np.save(target / f"{each}.npy", given(each))
    np.save(target / "face.npy", face_input())
