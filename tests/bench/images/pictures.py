"""What a picture costs on one core: ``python -m tests.bench.images.pictures [FOLDER]``; SSD's augmentation to 300 x 300 is to take 2 ms.

FOLDER is in Pascal VOC's layout, the application's sample unless given. Each line is the median and the 95th percentile over its pictures,
each with chances of its own, in milliseconds of the thread's processor time, so that what else the machine does counts little; lines take
turns after each 26 pictures. One warp is measured against the same chain with a picture made after each step, and against torchvision's
own SSD augmentation.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torchvision import tv_tensors
from torchvision.transforms import v2

from apps.images.data import SAMPLE
from features.pictures.boxes import Boxes
from features.pictures.chains import Chain, chances, step_by_step
from features.pictures.decoding import decode
from features.pictures.geometry import Resize
from features.pictures.headers import header
from features.pictures.preparing import Loading, Preparation, pack
from features.pictures.rendering import Frame, Pixels
from features.pictures.sampling import ssd
from features.pictures.voc import annotated

GOAL_MS = 2.0
TURN = 26
Work = Callable[[int, Generator], object]


def torchvisions() -> Callable[[Pixels, Boxes], object]:
    """The transforms of torchvision's SSD recipe (its reference's "ssd" preset), to 300 x 300 bytes."""
    steps = v2.Compose(
        [
            v2.RandomPhotometricDistort(),
            v2.RandomZoomOut(fill={tv_tensors.Image: (123, 117, 104), "others": 0}),
            v2.RandomIoUCrop(),
            v2.RandomHorizontalFlip(),
            v2.Resize((300, 300), antialias=True),
            v2.SanitizeBoundingBoxes(),
        ]
    )

    def work(pixels: Pixels, framed: Boxes) -> object:
        image = tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1))
        found = tv_tensors.BoundingBoxes(torch.from_numpy(framed), format="XYXY", canvas_size=pixels.shape[:2])
        return steps({"image": image, "boxes": found, "labels": torch.zeros(len(framed))})

    return work


def works(folder: Path) -> tuple[int, dict[str, Work]]:
    """How many pictures there are, and what is done to each by its number."""
    found = list(annotated(folder).annotations.values())
    data = [(folder / "JPEGImages" / each.picture).read_bytes() for each in found]
    pixels, framed = [decode(each) for each in data], [each.boxes for each in found]
    packed = [pack(each, np.zeros(len(each))) for each in framed]
    chain, resize, peer = ssd(), Chain((Resize(300, 300),)), torchvisions()
    loading = Loading(preparation=Preparation(chain=chain), most=500)
    return len(found), {
        "SSD's augmentation, one warp": lambda at, by: chain(pixels[at], framed[at], by),
        "its plan alone (chances and boxes)": lambda at, by: chain.plan(Frame.of(pixels[at], framed[at]), by),
        "the same chain step by step": lambda at, by: step_by_step(chain.steps, pixels[at], framed[at], by),
        "torchvision v2's SSD transforms": lambda at, by: peer(pixels[at], framed[at]),
        "resize alone, as in validation": lambda at, by: resize(pixels[at], framed[at]),
        "header alone": lambda at, by: header(data[at]),
        "decode": lambda at, by: decode(data[at]),
        "OpenCV's imdecode": lambda at, by: cv2.imdecode(np.frombuffer(data[at], np.uint8), cv2.IMREAD_COLOR),
        "a loader's row: decode, augment, channels first": lambda at, by: loading(data[at], packed[at], by),
    }


def taken_ms(work: Work, pictures: range) -> list[float]:
    taken = []
    for at in pictures:
        generator = chances(1, 0, at)
        began = time.thread_time()
        work(at, generator)
        taken.append((time.thread_time() - began) * 1e3)
    return taken


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    count, todo = works(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
    times: dict[str, list[float]] = {name: [] for name in todo}
    for begin in range(0, count, TURN):
        for name, work in todo.items():
            taken_ms(work, range(begin, begin + 1))  # warms the caches up that the others have used
            times[name] += taken_ms(work, range(begin, min(begin + TURN, count)))
    medians = {name: float(np.median(taken)) for name, taken in times.items()}
    first = next(iter(medians.values()))
    print(f"{count} pictures, ms of one core a picture: median (95th percentile), ratio to the first")
    for name, taken in times.items():
        print(f"{name:<48} {medians[name]:7.3f} ({np.percentile(taken, 95):7.3f}) {medians[name] / first:6.2f}")
    print(f"goal {GOAL_MS} ms: {'reached' if first <= GOAL_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
