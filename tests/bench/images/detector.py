"""How well the light SSD finds the sample's cells: ``python -m tests.bench.images.detector [--epochs 32] [--batch 32] [--large]``.

Trained by dlcore in this process on the pictures of train, from ImageNet's weights, with the application's own settings; mean precision
on val and test. ``--large`` trains at one and at eight times a batch of 8 in its place, with warm-up, linear scaling and clipping, and
with each of them left out: the same epochs, so an eighth of the steps.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd
from torch.optim import AdamW

from apps.images.data import SAMPLE
from apps.images.recipe import CLASSES, detector
from dlcore import ClipNorm, Poly, Training, Warmup, scale_linearly
from dlcore.scoring.evaluation import evaluate
from dlcore.scoring.fitted import Fitted
from dlcore.step.tuning import processor
from dlcore.zoo.pretrained import read_state
from features.pictures.preparing import pack
from features.pictures.voc import annotated
from infra.setup.provisions import cache_folder
from infra.setup.weights import present
from pipelines.pictures.detection.detector import CLIP, DECAY, PICTURE, TARGETS, pretrained

BASE, TIMES, RATE, RISE = 8, 8, 5e-4, 0.2
"""The large-batch table's: a batch and its rate, how many times as large the other is, and the share of steps that warm up."""


def pictures(split: str) -> pd.DataFrame:
    """The bytes and packed targets of a split's pictures."""
    found = annotated(SAMPLE).split(split)
    return pd.DataFrame(
        {
            PICTURE: [(SAMPLE / "JPEGImages" / f"{name}.jpg").read_bytes() for name in found],
            TARGETS: [
                pack(each.boxes, [CLASSES.index(label) for label in each.labels], each.difficult)
                for each in found.values()
            ],
        }
    )


def trained(training: Training, frames: Mapping[str, pd.DataFrame]) -> Fitted:
    start = pretrained(read_state(present(cache_folder())))
    return replace(training, metrics=()).fit(frames["train"], features=PICTURE, label=TARGETS, start=start)


def tell(name: str, training: Training, frames: Mapping[str, pd.DataFrame]) -> None:
    """Train, and print what was reached."""
    before = time.perf_counter()
    fitted = trained(training, frames)
    minutes = (time.perf_counter() - before) / 60
    judged = partial(evaluate, fitted.module, features=PICTURE, label=TARGETS, transform=detector().transform)
    val, test = (judged(frames[split], [detector().metric]) for split in ("val", "test"))
    by_class = ", ".join(f"{label} {test[f'voc07/{label}']:.3f}" for label in CLASSES)
    print(
        f"{name:<42} {fitted.history[-1].step:5} steps {minutes:5.1f} min  VOC07 val {val['voc07']:.3f} test {test['voc07']:.3f} "
        f"({by_class}), area test {test['area']:.3f}",
        flush=True,
    )


def large(training: Training, rows: int, *, times: int, left_out: str = "") -> Training:
    """The same by batches ``times`` as large, with all that large batches ask for but what is ``left_out``."""
    batch = BASE * times
    steps = training.epochs * -(-rows // batch)
    rate = RATE if left_out == "scaling" else scale_linearly(RATE, batch=batch, base_batch=BASE)
    rise = 0 if left_out == "warm-up" else round(steps * RISE)
    schedule = Warmup(start=rate / 25, steps=rise, then=Poly(lr=rate, steps=steps - rise))
    clip = None if left_out == "clipping" else ClipNorm(CLIP)
    optimizer = partial(AdamW, weight_decay=DECAY)
    return replace(training, batch=batch, schedule=schedule, optimizer=optimizer, clip=clip)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.images.detector", description=__doc__)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="the table of large batches in place of one training")
    given = parser.parse_args()
    print(f"on a processor with {processor()}")
    frames = {split: pictures(split) for split in ("train", "val", "test")}
    rows = len(frames["train"])
    training = detector().training(pictures=rows, batch=given.batch, epochs=given.epochs, seed=given.seed)
    if not given.large:
        return tell(f"batch {given.batch}, {given.epochs} epochs", training, frames)
    tell(f"batch {BASE}", large(training, rows, times=1), frames)
    for left_out in ("", "warm-up", "scaling", "clipping"):
        name = f"batch {BASE * TIMES}" + (f" without {left_out}" if left_out else "")
        tell(name, large(training, rows, times=TIMES, left_out=left_out), frames)


if __name__ == "__main__":
    main()
