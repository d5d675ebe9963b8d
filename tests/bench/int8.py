"""OpenVINO's int8 beside its fp32 and bf16, pictures a second of one core: ``python -m tests.bench.int8 [ROUNDS [MODEL ...]]``.

The light SSD, SSD300 on VGG16, ResNet-50 in batches of 32 and Inception v1 in batches of 32, all untrained and calibrated on random
pictures: for speed and size alone. Inception's plain export, with torch's own local response normalisation, is what it is measured
against. Precisions take turns, and each line is the median of its turns, by the processor time of the process, so that what else the
machine does counts little; the processor's name stands above.
"""

import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import nncf
import openvino as ov
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from dlcore.openvino.compiled import Compiled
from dlcore.openvino.conversion import converted, files_of
from dlcore.openvino.quantisation import kept_in_float
from dlcore.openvino.signature import Signature
from dlcore.step.tuning import computing_in, processor, tune_model
from dlcore.zoo.classifiers import inception
from dlcore.zoo.mobilenet_ssd import mobilenet_ssd
from dlcore.zoo.ssd import ssd300_vgg16

SECONDS = 2.0
CALIBRATED = 8
GOALS = {"light SSD": 2.7, "SSD300-VGG16": 2.8, "ResNet-50": 3.6, "Inception v1": 4.5}


def pictures(rows: int, side: int = 300) -> Tensor:
    return torch.randint(0, 256, (rows, side, side, 3), dtype=torch.uint8)


def numbers(rows: int, *shape: int) -> Tensor:
    return torch.randn(rows, *shape)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor], int]] = {
    "light SSD": (partial(mobilenet_ssd, classes=4), pictures, 4),
    "SSD300-VGG16": (partial(ssd300_vgg16, classes=21), pictures, 1),
    "ResNet-50": (resnet50, lambda rows: numbers(rows, 3, 224, 224), 32),
    "Inception v1": (inception, lambda rows: numbers(rows, 3 * 224 * 224), 32),
}


def quantised(model: ov.Model, rows: Callable[[int], Tensor]) -> ov.Model:
    items = nncf.Dataset([rows(1) for _ in range(CALIBRATED)], Signature.of_model(model).feeds)
    return nncf.quantize(model, items, subset_size=CALIBRATED)


def plain(module: nn.Module, example: Tensor) -> ov.Model:
    """The export without OpenVINO's own operations."""
    shape = ov.PartialShape([-1, *example.shape[1:]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ov.convert_model(module, example_input=(example,), input=[(shape, ov.Type.f32)])
    Signature.of(example, example).write(model)
    return model


def rate(run: Callable[[], Any], rows: int) -> float:
    """Rows a second of processor time over ``SECONDS``, a first run left out."""
    run()
    before, count = time.process_time(), 0
    while time.process_time() - before < SECONDS:
        run()
        count += rows
    return count / (time.process_time() - before)


def torchs(module: nn.Module, inputs: Tensor, precision: Any) -> Any:
    with torch.inference_mode(), computing_in(precision):
        return module(inputs)


def measure(name: str, rounds: int) -> None:
    build, rows, batch = MODELS[name]
    module, inputs = build().eval(), rows(batch)
    made: dict[str, Compiled] = {}
    if name == "Inception v1":
        made["plain export, f32"] = Compiled(plain(module, rows(2)), "f32", 1)
    f32 = converted(module, rows(2))
    int8 = quantised(f32, rows)
    for hint in ("f32", "bf16"):
        made[hint] = Compiled(f32, hint, 1)
        made["int8" if hint == "f32" else "int8+bf16"] = Compiled(int8, hint, 1)
    tuned = tune_model(module)
    own = {f"torch, {each}": partial(torchs, tuned, inputs, each) for each in ("float32", "bfloat16")}
    runs = own | {each: (lambda compiled=compiled: compiled.start(inputs)()) for each, compiled in made.items()}
    turns = [{each: rate(run, batch) for each, run in runs.items()} for _ in range(rounds)]
    rates = {each: median(turn[each] for turn in turns) for each in runs}
    tell(name, batch, rates, sizes=(len(files_of(f32)[1]), len(files_of(int8)[1])), in_float=kept_in_float(int8))


def tell(
    name: str, batch: int, rates: dict[str, float], *, sizes: tuple[int, int], in_float: tuple[tuple[str, ...], int]
) -> None:
    before = rates.get("plain export, f32", rates["f32"])
    print(f"\n{name}, batch {batch}; times fp32's rate")
    for each, found in rates.items():
        print(f"  {each:20} {found:8.1f} pictures/s {found / before:6.2f}")
    best = max(rates["int8"], rates["int8+bf16"]) if name == "Inception v1" else rates["int8"]
    print(f"  int8 {best / before:.2f} times fp32 (must {GOALS[name]}), weights {sizes[1] / sizes[0]:.3f} of the size")
    print(f"  layers in float: {len(in_float[0])} of {in_float[1]}", flush=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    said = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(
        (line.partition(":")[2].strip() for line in said if line.startswith("model name")), "an unknown processor"
    )
    print(f"{cpu}: {processor()}; one thread each")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in sys.argv[2:] or MODELS:
        measure(name, rounds)


if __name__ == "__main__":
    main()
