"""What a picture costs on one core: ``python -m tests.bench.pictures [FOLDER]``; SSD's augmentation to 300 x 300 is to take 2 ms.

FOLDER is in Pascal VOC's layout, the application's sample unless given. Each line is the median and the 95th percentile over its pictures,
each picture with chances of its own, all lines in turns; in milliseconds of the core, so that what else the machine does counts little. The same chain step by step, with a
picture made after each step, is what one warp is measured against; and both against torchvision's own SSD augmentation.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from features.pictures.boxes import Boxes
from features.pictures.chains import Chain, chances, step_by_step
from features.pictures.decoding import decode
from features.pictures.geometry import Resize
from features.pictures.headers import header
from features.pictures.preparing import Loading, Preparation, pack
from features.pictures.rendering import Frame, Pixels
from features.pictures.sampling import ssd
from features.pictures.voc import annotated

SAMPLE = Path(__file__).parents[2] / "apps" / "images" / "sample"
GOAL_MS = 2.0
Work = Callable[[int], object]


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
        "SSD's augmentation, one warp": lambda at: chain(pixels[at], framed[at], chances(1, 0, at)),
        "the same chain step by step": lambda at: step_by_step(chain.steps, pixels[at], framed[at], chances(1, 0, at)),
        "torchvision v2's SSD transforms": lambda at: peer(pixels[at], framed[at]),
        "its plan alone (chances and boxes)": lambda at: chain.plan(
            Frame.of(pixels[at], framed[at]), chances(1, 0, at)
        ),
        "resize alone, as in validation": lambda at: resize(pixels[at], framed[at]),
        "header alone": lambda at: header(data[at]),
        "decode": lambda at: decode(data[at]),
        "OpenCV's imdecode": lambda at: cv2.imdecode(np.frombuffer(data[at], np.uint8), cv2.IMREAD_COLOR),
        "all of a loader's row: decode, augment, channels first": lambda at: loading(
            data[at], packed[at], chances(1, 0, at)
        ),
    }


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    count, todo = works(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
    times: dict[str, list[float]] = {name: [] for name in todo}
    for at in range(-10, count):  # the first ten are not counted
        for name, work in todo.items():
            began = time.thread_time()
            work(at % count)
            if at >= 0:
                times[name].append((time.thread_time() - began) * 1e3)
    print(f"{count} pictures, ms of one core a picture: median (95th percentile), ratio to the first")
    first = statistics.median(times[next(iter(times))])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<56} {median:7.3f} ({np.percentile(taken, 95):7.3f}) {median / first:6.2f}")
    print(f"goal {GOAL_MS} ms: {'reached' if first <= GOAL_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
