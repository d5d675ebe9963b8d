"""How good binary codes are, and what a search costs: ``python -m tests.bench.images.codes [MNIST_FOLDER]``.

Mean average precision of DeepBit, ITQ and random projection on the same features, over some seeds: of digits (MNIST's four files where a
folder is given, else scikit-learn's), features from LeNet-5; and of the crops of the application's sample, features from MobileNetV2 with
ImageNet's weights. Codes are learnt without labels from pictures of the gallery, queries are others. DeepBit must be above random
projection, and is to be above ITQ. Then one core searches 10 million codes of 64 bits; a query is to take 30 ms of processor time.
"""

import gzip
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD
from torchvision.models import mobilenet_v2
from torchvision.transforms.functional import InterpolationMode, rotate

from apps.images.data import SAMPLE
from dlcore import Constant, Field, Training
from dlcore.zoo.classifiers import LeNet
from dlcore.zoo.deepbit import DeepBit, Objective, Pooled, begin, changed_bits
from dlcore.zoo.mobilenet_ssd import IMAGENET_DEVIATION, IMAGENET_MEAN
from dlcore.zoo.pretrained import read_state
from dlcore.zoo.projections import itq, random_projection
from dlcore.zoo.ssd import Pixels
from features.codes.hamming import Index
from features.codes.retrieval import mean_average_precision, retrieval_precision
from features.pictures.boxes import boxes
from features.pictures.decoding import decode
from features.pictures.preparing import turned_crops
from features.pictures.voc import annotated
from infra.setup.provisions import cache_folder
from infra.setup.weights import mobilenet

TURNS = (-10.0, -5.0, 0.0, 5.0, 10.0)
SEEDS = range(5)
BITS = (16, 32, 64)
CROP = 96
MARGIN = 0.1
INDEXED, GOAL_MS = 10_000_000, 30.0
Array = NDArray[Any]
Encode = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Features: ``turned`` [n, turns, D] of what codes are learnt from, of the gallery and of the queries with their classes."""

    name: str
    turned: Array
    gallery: Array
    known: Array
    queries: Array
    classes: Array
    n: int
    batch: int

    def precision(self, encode: Encode) -> float:
        return retrieval_precision(
            encode(self.queries), self.classes, among=encode(self.gallery), known=self.known, n=self.n
        )

    def uncoded(self) -> float:
        """Of the features themselves, by their distance."""
        nearest = [
            np.square(self.gallery - query).sum(axis=1).argsort(kind="stable")[: self.n] for query in self.queries
        ]
        return mean_average_precision(self.known[np.stack(nearest)] == self.classes[:, None])


def digits(folder: Path | None) -> Pictures:
    """LeNet-5 learns the digits of the gallery; the last layer but one gives the features."""
    (seen, known), (asked, classes) = small_digits() if folder is None else mnist(folder)
    table = pa.table({"pixels": [*seen.reshape(len(seen), -1)], "digit": known})
    learning = Training(
        model=LeNet, loss=cross_entropy, optimizer=partial(SGD, momentum=0.9), schedule=Constant(lr=0.02),
        batch=64, epochs=10 if folder is None else 1,
    )  # fmt: skip
    network = learning.fit(table, features=Field("pixels", dtype="float32"), label="digit").module.layers
    assert isinstance(network, nn.Sequential)
    last = partial(in_parts, network[:-1])
    return Pictures(
        name=f"digits of {'scikit-learn' if folder is None else 'MNIST'}",
        turned=np.stack([last(turn(seen[:10_000], by)) for by in TURNS], axis=1),
        gallery=last(seen[:20_000]), known=known[:20_000], queries=last(asked[:1000]), classes=classes[:1000],
        n=100 if folder is None else 1000, batch=64 if folder is None else 256,
    )  # fmt: skip


def small_digits() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """1,797 of 8 x 8 dots, at three times their size in the middle of 28 x 28; the first 1,200 are the gallery."""
    found = load_digits()
    large = (found.images / 16 * 255).astype(np.uint8).repeat(3, axis=1).repeat(3, axis=2)
    pixels, known = np.pad(large, ((0, 0), (2, 2), (2, 2))), found.target
    return (pixels[:1200], known[:1200]), (pixels[1200:], known[1200:])


def mnist(folder: Path) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    def of(part: str) -> tuple[Array, Array]:
        images, labels = (
            np.frombuffer(gzip.decompress((folder / f"{part}-{kind}-ubyte.gz").read_bytes())[header:], np.uint8)
            for kind, header in (("images-idx3", 16), ("labels-idx1", 8))
        )
        return images.reshape(-1, 28, 28), labels.astype(np.int64)

    return of("train"), of("t10k")


def turn(pixels: Array, degrees: float) -> Array:
    turned = rotate(torch.from_numpy(pixels.copy())[:, None], degrees, InterpolationMode.BILINEAR)
    return np.asarray(turned[:, 0].numpy())


def in_parts(layers: nn.Module, pixels: Array) -> Array:
    """What LeNet's layers make of bytes, some at a time."""
    with torch.inference_mode():
        inputs = torch.from_numpy(pixels.copy())[:, None].float() / 255
        return np.asarray(torch.cat([layers(part) for part in torch.split(inputs, 2000)]).numpy())


def cells() -> Pictures:
    """Crops of the boxes that people drew, at most 200 a class of train and 70 of test."""
    weights = read_state(mobilenet(cache_folder(), Path(sys.executable)))
    whole = mobilenet_v2(weights=None)
    whole.load_state_dict(weights)
    pooled = Pooled(nn.Sequential(Pixels(IMAGENET_MEAN, IMAGENET_DEVIATION), whole.features)).eval()
    turned, known = crops("train", 200, pooled, TURNS)
    asked, classes = crops("test", 70, pooled, (0.0,))
    return Pictures(
        name="cells of the sample", turned=turned, gallery=turned[:, 2], known=known, queries=asked[:, 0],
        classes=classes, n=50, batch=64,
    )  # fmt: skip


def crops(split: str, most: int, pooled: Pooled, degrees: tuple[float, ...]) -> tuple[Array, Array]:
    """Features [n, turns, D] and classes of a split's objects, drawn with seed 0 of each class."""
    found = [(each.picture, one) for each in annotated(SAMPLE).split(split).values() for one in each.objects]
    mixed = [found[at] for at in np.random.default_rng(0).permutation(len(found))]
    names = sorted({one.label for _, one in mixed})
    drawn = [each for name in names for each in [pair for pair in mixed if pair[1].label == name][:most]]
    features = []
    for picture, one in drawn:
        pixels = decode((SAMPLE / "JPEGImages" / picture).read_bytes())
        (seen,) = turned_crops(pixels, boxes([one.box]), width=CROP, height=CROP, margin=MARGIN, degrees=degrees)
        with torch.inference_mode():
            features.append(pooled(torch.from_numpy(seen[..., ::-1].copy())).numpy())  # OpenCV's blue first, to RGB
    return np.stack(features), np.array([one.label for _, one in drawn])


def deepbit(pictures: Pictures, start: dict[str, torch.Tensor], *, bits: int, seed: int, rotation: float) -> Encode:
    """Both stages, ten epochs each."""
    rows, turns, wide = pictures.turned.shape
    values = pa.FixedSizeListArray.from_arrays(pa.array(pictures.turned.reshape(-1)), turns * wide)
    table = pa.table({"turned": values, "number": np.arange(rows)})
    plan = partial(
        Training, model=partial(DeepBit, features=wide, bits=bits), loss=changed_bits, schedule=Constant(lr=0.1),
        optimizer=partial(SGD, momentum=0.9), batch=pictures.batch, epochs=10, seed=seed,
    )  # fmt: skip
    columns: dict[str, Any] = {"features": Field("turned", shape=(turns, wide)), "label": "number"}
    first = plan(step=Objective(rotation=0.0)).fit(table, **columns, start=start)
    module = plan(step=Objective(rotation=rotation)).fit(table, **columns, start=first).module

    def encode(features: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(features)).numpy())

    return encode


def methods(pictures: Pictures, bits: int, seed: int) -> dict[str, float]:
    upright = pictures.turned[:, len(TURNS) // 2].astype(np.float64)
    random, iterated = (method(upright, bits=bits, seed=seed) for method in (random_projection, itq))
    train = partial(deepbit, pictures, bits=bits, seed=seed)
    encoders: dict[str, Encode] = {
        "random projection": random,
        "ITQ": iterated,
        "DeepBit from random projection": train(begin(random, upright), rotation=0.001),
        "DeepBit from ITQ": train(begin(iterated, upright), rotation=0.001),
        "DeepBit from ITQ, rotation 3": train(begin(iterated, upright), rotation=3.0),
    }
    return {name: pictures.precision(encode) for name, encode in encoders.items()}


def compare(pictures: Pictures) -> None:
    rows, _, wide = pictures.turned.shape
    print(
        f"\n{pictures.name}: mean average precision at {pictures.n}, {len(pictures.queries)} queries among "
        f"{len(pictures.gallery)}, {wide} features; codes of {rows}; mean (deviation) of {len(SEEDS)} seeds"
    )
    print(f"{'the features themselves':<32} {pictures.uncoded():.4f}")
    found = {bits: [methods(pictures, bits, seed) for seed in SEEDS] for bits in BITS}
    print(f"{'bits':<32}" + "".join(f"{bits:>17}" for bits in BITS))
    for name in found[BITS[0]][0]:
        told = [[one[name] for one in found[bits]] for bits in BITS]
        print(f"{name:<32}" + "".join(f"  {np.mean(each):.4f} ({np.std(each):.4f})" for each in told), flush=True)
    for peer in ("random projection", "ITQ"):
        above = [sum(one["DeepBit from ITQ"] > one[peer] for one in found[bits]) for bits in BITS]
        told_above = ", ".join(f"{count} at {bits} bits" for count, bits in zip(above, BITS, strict=True))
        print(f"DeepBit from ITQ is above {peer} in so many of {len(SEEDS)} seeds: {told_above}", flush=True)


def search() -> None:
    random = np.random.default_rng(0)
    index = Index.of(np.arange(INDEXED), random.integers(0, 256, (INDEXED, 8), np.uint8))
    queries = random.integers(0, 256, (64, 8), np.uint8)
    print(f"\n{INDEXED:,} codes of 64 bits, ms of one core a query, the ten nearest")
    taken = [timed_ms(partial(index.nearest, queries[at : at + 1], k=10)) for at in range(len(queries))]
    median = float(np.median(taken))
    print(f"one query at a time: median {median:.1f}, 95th percentile {np.percentile(taken, 95):.1f}")
    print(f"{len(queries)} at once: {timed_ms(partial(index.nearest, queries, k=10)) / len(queries):.1f}")
    print(f"goal {GOAL_MS:.0f} ms: {'reached' if median < GOAL_MS else 'MISSED'}")


def timed_ms(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1e3


def main() -> None:
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    search()
    compare(digits(folder))
    compare(cells())


if __name__ == "__main__":
    main()
