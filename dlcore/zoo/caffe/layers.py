"""One function for each type of Caffe's layers: its message and its blobs in, a torch module out."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from dlcore.zoo.caffe.detection import DetectionOutput, PriorBox, sizes_of_cell
from dlcore.zoo.caffe.operations import (
    Absolute,
    Concat,
    Eltwise,
    Linear,
    Multiply,
    Normalize,
    Permute,
    Power,
    Reshape,
    Scale,
    Slice,
    Split,
)

Blobs = Sequence[Tensor]


def require(met: bool, what: str) -> None:
    """Refuse a setting that is not implemented; the caller adds the layer's name."""
    if not met:
        raise ValueError(what)


def pair(settings: Any, name: str, default: int) -> tuple[int, int]:
    """(down, across) of ``kernel``, ``stride`` or ``pad``: by two fields, one, or one repeated for each axis."""
    if settings.HasField(f"{name}_h") or settings.HasField(f"{name}_w"):
        return getattr(settings, f"{name}_h"), getattr(settings, f"{name}_w")
    value = getattr(settings, "kernel_size" if name == "kernel" else name)
    values = [value] if isinstance(value, int) else list(value)
    return ((values or [default]) * 2)[0], (values or [default])[-1]


def convolution(layer: Any, blobs: Blobs) -> nn.Module:
    own = layer.convolution_param
    require(own.axis == 1 and blobs[0].ndim == 4, "only convolutions over two axes after the channels are implemented")
    made = nn.Conv2d(
        blobs[0].shape[1] * own.group,
        own.num_output,
        pair(own, "kernel", 1),
        pair(own, "stride", 1),
        pair(own, "pad", 0),
        ((list(own.dilation) or [1]) * 2)[:2],  # type: ignore[arg-type]
        own.group,
        own.bias_term,
    )
    return filled(made, blobs)


def filled(module: nn.Module, blobs: Blobs) -> nn.Module:
    """``module`` with its weight, and its bias if it has one, from ``blobs``; old releases write a bias as [1, 1, 1, C]."""
    weights = [weight for _, weight in module.named_parameters()]
    require(len(weights) == len(blobs), f"it must have {len(weights)} blobs, got {len(blobs)}")
    for weight, blob in zip(weights, blobs, strict=True):
        require(weight.numel() == blob.numel(), f"a blob must be {list(weight.shape)}, got {list(blob.shape)}")
        weight.data.copy_(blob.reshape(weight.shape))
    return module


def inner_product(layer: Any, blobs: Blobs) -> nn.Module:
    own = layer.inner_product_param
    weight = blobs[0].reshape(blobs[0].shape[-2:])
    bias = blobs[1].flatten() if own.bias_term else None
    return Linear(weight.T.contiguous() if own.transpose else weight, bias, own.axis)


def pooling(layer: Any, _: Blobs) -> nn.Module:
    own = layer.pooling_param
    require(own.pool in (0, 1), "pooling must be MAX or AVE, not STOCHASTIC")
    if own.global_pooling:
        return nn.AdaptiveAvgPool2d(1) if own.pool else nn.AdaptiveMaxPool2d(1)
    # Caffe rounds the size up, and an average counts the padding: torch took both rules over
    kernel, stride, pad = pair(own, "kernel", 1), pair(own, "stride", 1), pair(own, "pad", 0)
    kind = nn.AvgPool2d if own.pool else nn.MaxPool2d
    return kind(kernel, stride, pad, ceil_mode=True)


def lrn(layer: Any, _: Blobs) -> nn.Module:
    own = layer.lrn_param
    require(own.norm_region == 0, "normalisation must be ACROSS_CHANNELS, not WITHIN_CHANNEL")
    return nn.LocalResponseNorm(own.local_size, own.alpha, own.beta, own.k)


def batch_norm(layer: Any, blobs: Blobs) -> nn.Module:
    own, (mean, variance, count) = layer.batch_norm_param, blobs
    factor = 1 / float(count) if float(count) else 0.0  # the file holds sums
    made: nn.Module = nn.BatchNorm2d(mean.numel(), own.eps, 1 - own.moving_average_fraction, affine=False)
    if own.use_global_stats:
        made = FrozenBatchNorm2d(mean.numel(), own.eps)
    statistics = {"running_mean": mean.flatten() * factor, "running_var": variance.flatten() * factor}
    made.load_state_dict(statistics, strict=False)
    return made


def scale(layer: Any, blobs: Blobs) -> nn.Module:
    own = layer.scale_param
    if len(layer.bottom) == 2:
        require(not own.bias_term, "a scale by a second blob must have no bias")
        return Multiply(own.axis)
    return Scale(blobs[0], blobs[1] if own.bias_term else None, own.axis)


def prelu(layer: Any, blobs: Blobs) -> nn.Module:
    return filled(nn.PReLU(blobs[0].numel()), blobs)


def normalize(layer: Any, blobs: Blobs) -> nn.Module:
    return Normalize(blobs[0].flatten(), layer.norm_param.across_spatial, layer.norm_param.eps)


def reshape(layer: Any, _: Blobs) -> nn.Module:
    own = layer.reshape_param
    require((own.axis, own.num_axes) == (0, -1), "a reshape must be of all axes")
    return Reshape(own.shape.dim)


def flatten(layer: Any, _: Blobs) -> nn.Module:
    return nn.Flatten(layer.flatten_param.axis, layer.flatten_param.end_axis)


def concat(layer: Any, _: Blobs) -> nn.Module:
    own = layer.concat_param
    return Concat(own.concat_dim if own.HasField("concat_dim") else own.axis)


def cut_up(layer: Any, _: Blobs) -> nn.Module:
    own = layer.slice_param
    return Slice(own.slice_dim if own.HasField("slice_dim") else own.axis, own.slice_point, len(layer.top))


def eltwise(layer: Any, _: Blobs) -> nn.Module:
    own = layer.eltwise_param
    return Eltwise(("PROD", "SUM", "MAX")[own.operation], own.coeff)


def power(layer: Any, _: Blobs) -> nn.Module:
    return Power(layer.power_param.power, layer.power_param.scale, layer.power_param.shift)


def prior_box(layer: Any, _: Blobs) -> nn.Module:
    own = layer.prior_box_param
    require(len(own.max_size) in (0, len(own.min_size)), "a PriorBox needs a max_size for each min_size, or none")
    steps = (own.step_w, own.step_h) if own.HasField("step_h") else (own.step, own.step)
    image = (own.img_w, own.img_h) if own.HasField("img_h") else (own.img_size, own.img_size)
    variances = list(own.variance) or [0.1]
    return PriorBox(
        sizes_of_cell(own.min_size, own.max_size, own.aspect_ratio, own.flip),
        step=steps if all(steps) else None,
        offset=own.offset,
        variances=variances if len(variances) == 4 else variances * 4,
        clip=own.clip,
        image=image if all(image) else None,
    )


def detection_output(layer: Any, _: Blobs) -> nn.Module:
    own = layer.detection_output_param
    require(own.share_location, "boxes must be shared among the classes (share_location)")
    require(own.code_type in (1, 2), "boxes must be coded as CORNER or CENTER_SIZE")
    require(own.nms_param.eta == 1, f"suppression must not adapt (eta 1), got {own.nms_param.eta}")
    return DetectionOutput(
        classes=own.num_classes,
        background=own.background_label_id,
        confidence=own.confidence_threshold if own.HasField("confidence_threshold") else float("-inf"),
        iou=own.nms_param.nms_threshold,
        top=own.nms_param.top_k if own.nms_param.HasField("top_k") else -1,
        keep=own.keep_top_k,
        scaled=not own.variance_encoded_in_target,
        centre=own.code_type == 2,
    )


def relu(layer: Any, _: Blobs) -> nn.Module:
    slope = layer.relu_param.negative_slope
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


LAYERS: dict[str, Callable[[Any, Blobs], nn.Module]] = {
    "AbsVal": lambda layer, blobs: Absolute(),
    "BatchNorm": batch_norm,
    "Bias": lambda layer, blobs: Scale(None, blobs[0], layer.bias_param.axis),
    "Concat": concat,
    "Convolution": convolution,
    "DetectionOutput": detection_output,
    "Dropout": lambda layer, blobs: nn.Dropout(layer.dropout_param.dropout_ratio),
    "ELU": lambda layer, blobs: nn.ELU(layer.elu_param.alpha),
    "Eltwise": eltwise,
    "Flatten": flatten,
    "InnerProduct": inner_product,
    "LRN": lrn,
    "Normalize": normalize,
    "PReLU": prelu,
    "Permute": lambda layer, blobs: Permute(layer.permute_param.order),
    "Pooling": pooling,
    "Power": power,
    "PriorBox": prior_box,
    "ReLU": relu,
    "Reshape": reshape,
    "Scale": scale,
    "Sigmoid": lambda layer, blobs: nn.Sigmoid(),
    "Slice": cut_up,
    "Softmax": lambda layer, blobs: nn.Softmax(layer.softmax_param.axis),
    "Split": lambda layer, blobs: Split(len(layer.top)),
    "TanH": lambda layer, blobs: nn.Tanh(),
}
WEIGHTED = {"BatchNorm", "Bias", "Convolution", "InnerProduct", "Normalize", "PReLU", "Scale"}
