"""Caffe's messages, as far as nets and their weights need them, built when first asked for: no generated code, no caffe.

Field names, numbers and defaults are those of BVLC's ``caffe.proto`` and, from 200 on, of SSD's fork of it.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

# A field is number, name and type; * repeats it, a value after = is its default.
MESSAGES = {
    "BlobShape": "1 dim* int64",
    "BlobProto": "1 num int32, 2 channels int32, 3 height int32, 4 width int32, 5 data* float, 7 shape BlobShape, "
    "8 double_data* double",
    "FillerParameter": "1 type string, 2 value float, 3 min float, 4 max float, 5 mean float, 6 std float, 7 sparse int32, "
    "8 variance_norm VarianceNorm",
    "ParamSpec": "1 name string, 2 share_mode ShareMode, 3 lr_mult float, 4 decay_mult float",
    "NetStateRule": "1 phase Phase, 2 min_level int32, 3 max_level int32, 4 stage* string, 5 not_stage* string",
    "NetState": "1 phase Phase, 2 level int32, 3 stage* string",
    "BatchNormParameter": "1 use_global_stats bool, 2 moving_average_fraction float=0.999, 3 eps float=1e-5",
    "BiasParameter": "1 axis int32=1, 2 num_axes int32=1, 3 filler FillerParameter",
    "ConcatParameter": "1 concat_dim uint32=1, 2 axis int32=1",
    "ConvolutionParameter": "1 num_output uint32, 2 bias_term bool=true, 3 pad* uint32, 4 kernel_size* uint32, "
    "5 group uint32=1, 6 stride* uint32, 7 weight_filler FillerParameter, 8 bias_filler FillerParameter, 9 pad_h uint32, "
    "10 pad_w uint32, 11 kernel_h uint32, 12 kernel_w uint32, 13 stride_h uint32, 14 stride_w uint32, 15 engine Engine, "
    "16 axis int32=1, 17 force_nd_im2col bool, 18 dilation* uint32",
    "DropoutParameter": "1 dropout_ratio float=0.5",
    "EltwiseParameter": "1 operation EltwiseOp=SUM, 2 coeff* float, 3 stable_prod_grad bool=true",
    "ELUParameter": "1 alpha float=1",
    "FlattenParameter": "1 axis int32=1, 2 end_axis int32=-1",
    "InnerProductParameter": "1 num_output uint32, 2 bias_term bool=true, 3 weight_filler FillerParameter, "
    "4 bias_filler FillerParameter, 5 axis int32=1, 6 transpose bool",
    "InputParameter": "1 shape* BlobShape",
    "LRNParameter": "1 local_size uint32=5, 2 alpha float=1, 3 beta float=0.75, 4 norm_region NormRegion, 5 k float=1, "
    "6 engine Engine",
    "PoolingParameter": "1 pool PoolMethod, 2 kernel_size uint32, 3 stride uint32=1, 4 pad uint32, 5 kernel_h uint32, "
    "6 kernel_w uint32, 7 stride_h uint32, 8 stride_w uint32, 9 pad_h uint32, 10 pad_w uint32, 11 engine Engine, "
    "12 global_pooling bool",
    "PowerParameter": "1 power float=1, 2 scale float=1, 3 shift float",
    "PReLUParameter": "1 filler FillerParameter, 2 channel_shared bool",
    "ReLUParameter": "1 negative_slope float, 2 engine Engine",
    "ReshapeParameter": "1 shape BlobShape, 2 axis int32, 3 num_axes int32=-1",
    "ScaleParameter": "1 axis int32=1, 2 num_axes int32=1, 3 filler FillerParameter, 4 bias_term bool, "
    "5 bias_filler FillerParameter",
    "SigmoidParameter": "1 engine Engine",
    "SliceParameter": "1 slice_dim uint32=1, 2 slice_point* uint32, 3 axis int32=1",
    "SoftmaxParameter": "1 engine Engine, 2 axis int32=1",
    "TanHParameter": "1 engine Engine",
    "PermuteParameter": "1 order* uint32",
    "PriorBoxParameter": "1 min_size* float, 2 max_size* float, 3 aspect_ratio* float, 4 flip bool=true, 5 clip bool, "
    "6 variance* float, 7 img_size uint32, 8 img_h uint32, 9 img_w uint32, 10 step float, 11 step_h float, "
    "12 step_w float, 13 offset float=0.5",
    "NonMaximumSuppressionParameter": "1 nms_threshold float=0.3, 2 top_k int32, 3 eta float=1",
    "DetectionOutputParameter": "1 num_classes uint32, 2 share_location bool=true, 3 background_label_id int32, "
    "4 nms_param NonMaximumSuppressionParameter, 6 code_type CodeType=CORNER, 7 keep_top_k int32=-1, "
    "8 variance_encoded_in_target bool, 9 confidence_threshold float",
    "NormalizeParameter": "1 across_spatial bool=true, 2 scale_filler FillerParameter, 3 channel_shared bool=true, "
    "4 eps float=1e-10",
    "LayerParameter": "1 name string, 2 type string, 3 bottom* string, 4 top* string, 5 loss_weight* float, "
    "6 param* ParamSpec, 7 blobs* BlobProto, 8 include* NetStateRule, 9 exclude* NetStateRule, 10 phase Phase, "
    "11 propagate_down* bool, 104 concat_param ConcatParameter, 106 convolution_param ConvolutionParameter, "
    "108 dropout_param DropoutParameter, 110 eltwise_param EltwiseParameter, "
    "117 inner_product_param InnerProductParameter, 118 lrn_param LRNParameter, 121 pooling_param PoolingParameter, "
    "122 power_param PowerParameter, 123 relu_param ReLUParameter, 124 sigmoid_param SigmoidParameter, "
    "125 softmax_param SoftmaxParameter, 126 slice_param SliceParameter, 127 tanh_param TanHParameter, "
    "131 prelu_param PReLUParameter, 133 reshape_param ReshapeParameter, 135 flatten_param FlattenParameter, "
    "139 batch_norm_param BatchNormParameter, 140 elu_param ELUParameter, 141 bias_param BiasParameter, "
    "142 scale_param ScaleParameter, 143 input_param InputParameter, 202 permute_param PermuteParameter, "
    "203 prior_box_param PriorBoxParameter, 204 detection_output_param DetectionOutputParameter, "
    "206 norm_param NormalizeParameter",
    # the form of layers until 2014, in which the weights of AlexNet's and VGG's releases still lie
    "V1LayerParameter": "2 bottom* string, 3 top* string, 4 name string, 5 type V1Type, 6 blobs* BlobProto, "
    "7 blobs_lr* float, 8 weight_decay* float, 9 concat_param ConcatParameter, 10 convolution_param ConvolutionParameter, "
    "12 dropout_param DropoutParameter, 17 inner_product_param InnerProductParameter, 18 lrn_param LRNParameter, "
    "19 pooling_param PoolingParameter, 21 power_param PowerParameter, 24 eltwise_param EltwiseParameter, "
    "30 relu_param ReLUParameter, 31 slice_param SliceParameter, 32 include* NetStateRule, 33 exclude* NetStateRule, "
    "37 tanh_param TanHParameter, 38 sigmoid_param SigmoidParameter, 39 softmax_param SoftmaxParameter, 1001 param* string",
    "NetParameter": "1 name string, 2 layers* V1LayerParameter, 3 input* string, 4 input_dim* int32, 5 force_backward bool, "
    "6 state NetState, 7 debug_info bool, 8 input_shape* BlobShape, 100 layer* LayerParameter",
}
ENUMS = {
    "Phase": "TRAIN 0, TEST 1",
    "Engine": "DEFAULT 0, CAFFE 1, CUDNN 2",
    "VarianceNorm": "FAN_IN 0, FAN_OUT 1, AVERAGE 2",
    "ShareMode": "STRICT 0, PERMISSIVE 1",
    "EltwiseOp": "PROD 0, SUM 1, MAX 2",
    "NormRegion": "ACROSS_CHANNELS 0, WITHIN_CHANNEL 1",
    "PoolMethod": "MAX 0, AVE 1, STOCHASTIC 2",
    "CodeType": "CORNER 1, CENTER_SIZE 2, CORNER_SIZE 3",
    "V1Type": "NONE 0, ACCURACY 1, CONCAT 3, CONVOLUTION 4, DATA 5, DROPOUT 6, FLATTEN 8, INNER_PRODUCT 14, LRN 15, "
    "POOLING 17, RELU 18, SIGMOID 19, SOFTMAX 20, SOFTMAX_LOSS 21, SPLIT 22, TANH 23, ELTWISE 25, POWER 26, SLICE 33, "
    "ABSVAL 35",
}
Field = descriptor_pb2.FieldDescriptorProto


@cache
def message(name: str) -> type[Any]:
    """The class of one of ``MESSAGES``."""
    found: type[Any] = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"emberline.caffe.{name}"))
    return found


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own: another library's caffe.proto does not clash."""
    file = descriptor_pb2.FileDescriptorProto(name="emberline/caffe.proto", package="emberline.caffe", syntax="proto2")
    for name, fields in MESSAGES.items():
        file.message_type.add(name=name).field.extend(_field(field) for field in fields.split(", "))
    for name, values in ENUMS.items():
        kind = file.message_type.add(name=name).enum_type.add(name="Kind")  # a scope of its own: MAX is in two enums
        for value in values.split(", "):
            kind.value.add(name=value.split()[0], number=int(value.split()[1]))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def enumerator(field: Any, number: int) -> str:
    """The name of a value of an enumeration's ``field``."""
    name: str = field.enum_type.values_by_number[number].name
    return name


def _field(text: str) -> Any:
    number, name, kind = text.split()
    kind, _, default = kind.partition("=")
    field = Field(name=name.rstrip("*"), number=int(number), label=Field.LABEL_OPTIONAL)
    if name.endswith("*"):
        field.label = Field.LABEL_REPEATED
        field.options.packed = kind in ("float", "double", "int64") and field.name in ("data", "double_data", "dim")
    if kind in MESSAGES:
        field.type, field.type_name = Field.TYPE_MESSAGE, f".emberline.caffe.{kind}"
    elif kind in ENUMS:
        field.type, field.type_name = Field.TYPE_ENUM, f".emberline.caffe.{kind}.Kind"
    else:
        field.type = Field.Type.Value(f"TYPE_{kind.upper()}")
    if default:
        field.default_value = default
    return field
