"""Batch inference by Spark from JPEGs in HBase, against a plain loop on as many cores: ``python -m tests.bench.images.through [MODEL ...]``

The eight orientations of the sample's pictures are put into an HBase of the bench's own. Two tasks scan it and predict in int8:
ResNet-50, the light SSD and SSD300 on VGG16, untrained and calibrated on random pictures, for speed alone. The plain loop has the bytes
in memory: in each of two processes decoding, OpenVINO by itself and what is made of its outputs (NMS), one after the other, on one core.
Both take turns; medians.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import openvino as ov
import pyarrow as pa
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from torch import Tensor, nn
from torchvision.models import resnet50

from apps.images.data import SAMPLE, pictures
from dlcore import Artifact, Output, add_ir
from dlcore.openvino.conversion import files_of
from dlcore.scoring.outputs import Outputs
from dlcore.zoo.detections import Detect
from dlcore.zoo.mobilenet_ssd import IMAGENET_DEVIATION, IMAGENET_MEAN, LIGHT, mobilenet_ssd
from dlcore.zoo.priors import SSD300
from dlcore.zoo.ssd import Pixels, ssd300_vgg16
from features.pictures.chains import Chain
from features.pictures.colours import Reverse
from features.pictures.decoding import decode
from features.pictures.geometry import Resize
from features.pictures.orientations import EIGHT
from features.pictures.preparing import Loading, Preparation
from infra import processes
from infra import spark as engine
from infra.hbase.client import Address
from infra.hbase.keys import EVERYTHING, Range, dated
from infra.hbase.rows import Rows
from infra.hbase.service import Service
from infra.hbase.writing import Writer
from infra.settings import Settings
from tests.bench.int8 import quantised

TASKS, ROUNDS, BATCH, GOAL = 2, 5, 8, 0.9
TABLE, FAMILY = "bench", "pictures"
DAYS = {"2024-03-01": 1, "2024-03-02": 8}
"""How many orientations of each picture a day has: the first is for the model that is slow."""
FOUND = "array<struct<label: int, score: float, left: float, top: float, right: float, bottom: float>>"


def resnet() -> nn.Module:
    return nn.Sequential(Pixels(IMAGENET_MEAN, IMAGENET_DEVIATION), resnet50())


def boxes(detect: Detect, prediction: tuple[Tensor, Tensor]) -> list[dict[str, Tensor]]:
    edges = ("left", "top", "right", "bottom")
    return [
        {"label": one.labels, "score": one.scores} | dict(zip(edges, one.boxes.unbind(1), strict=True))
        for one in detect(prediction)
    ]


def best(prediction: Tensor) -> Tensor:
    return prediction.argmax(1)


@dataclass(frozen=True)
class Subject:
    """A model, what is made of its outputs, the side of its pictures, and the day whose pictures it gets."""

    build: Callable[[], nn.Module]
    output: Output
    side: int
    day: str = "2024-03-02"

    @property
    def transform(self) -> Loading:
        chain = Chain((Resize(self.side, self.side), Reverse()))
        return Loading(preparation=Preparation(chain=chain), channels_last=True)

    @property
    def outputs(self) -> Outputs:
        return {"found": self.output}

    def random(self, rows: int) -> Tensor:
        return torch.randint(0, 256, (rows, self.side, self.side, 3), dtype=torch.uint8)


SUBJECTS = {
    "ResNet-50": Subject(resnet, Output("bigint", best), 224),
    "light SSD": Subject(partial(mobilenet_ssd, classes=4), Output(FOUND, partial(boxes, Detect(priors=LIGHT))), 300),
    "SSD300-VGG16": Subject(
        partial(ssd300_vgg16, classes=21), Output(FOUND, partial(boxes, Detect(priors=SSD300))), 300, "2024-03-01"
    ),
}


def artifact(subject: Subject, folder: Path) -> Artifact:
    """The untrained model with its IR in int8."""
    module = subject.build().eval()
    saved = Artifact.save(
        str(folder),
        model="model",
        arguments={},
        tensors=module.state_dict(),
        details={},
        features="jpeg",
        outputs=subject.outputs,
        transform=subject.transform,
        models={"model": subject.build},
    )
    first = pa.table({"jpeg": [pictures(SAMPLE)[0].read_bytes()]})
    whole = add_ir(saved, example=first)
    model = ov.Core().read_model(whole.read("ir/f32.xml"), whole.read("ir/f32.bin"))
    xml, weights = files_of(quantised(model, subject.random))
    return whole.with_files({"ir/int8.xml": xml, "ir/int8.bin": weights})


def jpegs(orientations: int) -> Iterator[tuple[str, bytes]]:
    for file in pictures(SAMPLE):
        pixels = decode(file.read_bytes())
        for number, each in enumerate(EIGHT[:orientations]):
            yield f"{file.stem}-{number}", cv2.imencode(".jpg", each.pixels(pixels))[1].tobytes()


def fill(spark: SparkSession, address: Address) -> dict[str, list[bytes]]:
    """Put the days' pictures into HBase, and return them."""
    held = {}
    for day, orientations in DAYS.items():
        named = list(jpegs(orientations))
        rows = spark.createDataFrame([(dated(day, name), data) for name, data in named], "key string, jpeg binary")
        Writer(address=address, table=TABLE, family=FAMILY).write(rows)
        held[day] = [data for _, data in named]
    return held


def through(spark: SparkSession, address: Address, day: str, model: Artifact) -> DataFrame:
    """A day's pictures, scored in the tasks that scan HBase: no picture enters the JVM."""
    schema = StructType().add("key", "string").add("jpeg", "binary")
    score, made = model.prediction(precision="int8").task(spark, schema)
    chosen = EVERYTHING.within([Range.of_prefix(f"{day}|".encode())])
    rows = Rows(address=address, table=TABLE, schema=schema, family=FAMILY, selection=chosen)

    def found(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from (scored.drop_columns(["jpeg"]) for scored in score(batches))

    return rows.mapped(spark, found, StructType([field for field in made if field.name != "jpeg"]))


@cache
def request(xml: Path) -> ov.InferRequest:
    """The model on one core of this process."""
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    return ov.Core().compile_model(xml, "CPU", settings).create_infer_request()


def alone(name: str, xml: Path, data: list[bytes]) -> tuple[float, float, float]:
    """The seconds that decoding, inference and what is made of the outputs took."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    subject, spent = SUBJECTS[name], [0.0, 0.0, 0.0]
    for first in range(0, len(data), BATCH):
        marks = [time.perf_counter()]
        pixels = [torch.from_numpy(subject.transform(each, None, None)[0]) for each in data[first : first + BATCH]]
        stacked = torch.stack(pixels).numpy()
        marks.append(time.perf_counter())
        found = request(xml).infer([stacked])
        outputs = [torch.from_numpy(each) for each in found.values()]
        marks.append(time.perf_counter())
        subject.output.of(outputs[0] if len(outputs) == 1 else tuple(outputs))  # type: ignore[misc]
        marks.append(time.perf_counter())
        spent = [so_far + after - before for so_far, before, after in zip(spent, marks, marks[1:], strict=False)]
    return spent[0], spent[1], spent[2]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    before = time.perf_counter()
    result = work()
    return time.perf_counter() - before, result


def measure(name: str, spark: SparkSession, address: Address, data: list[bytes], scratch: Path) -> None:
    subject = SUBJECTS[name]
    model = artifact(subject, scratch / name)
    xml = scratch / f"{name}.xml"
    for suffix in (".xml", ".bin"):
        xml.with_suffix(suffix).write_bytes(model.read(f"ir/int8{suffix}"))
    scored = through(spark, address, subject.day, model)

    def by_spark() -> None:
        scored.write.format("noop").mode("overwrite").save()

    counted = scored.agg(F.count("*"), F.count("error")).first()
    if counted != (len(data), 0):
        raise RuntimeError(f"of {len(data)} pictures and no errors were found {counted}")
    with ProcessPoolExecutor(TASKS, mp_context=get_context("forkserver")) as pool:
        halves = [data[at::TASKS] for at in range(TASKS)]

        def by_loop() -> list[tuple[float, float, float]]:
            return list(pool.map(partial(alone, name, xml), halves))

        by_loop()
        turns = [(timed(by_loop), timed(by_spark)[0]) for _ in range(ROUNDS)]
    tell(name, len(data), turns)


def tell(name: str, count: int, turns: list[tuple[tuple[float, Any], float]]) -> None:
    plain = [seconds for (seconds, _), _ in turns]
    spent = [sum(each) for each in zip(*[process for (_, processes), _ in turns for process in processes], strict=True)]
    shares = ", ".join(
        f"{part} {seconds / sum(spent):.2f}"
        for part, seconds in zip(("decoding", "inference", "NMS"), spent, strict=True)
    )
    ratio = median(alone / spark for alone, spark in zip(plain, [spark for _, spark in turns], strict=True))
    rates = count / median(plain), count / median(spark for _, spark in turns)
    verdict = "reached" if ratio >= GOAL else "MISSED"
    print(
        f"{name:<14} {count:5,} pictures: loop {rates[0]:6.1f}/s ({shares}), from HBase by Spark {rates[1]:6.1f}/s, "
        f"{ratio:.2f} of it; at least {GOAL}: {verdict}",
        flush=True,
    )


def main(names: list[str]) -> None:
    processes.end_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state=Path(folder), spark_master=f"local[{TASKS}]", driver_memory="2g")
        service = Service(settings=settings)
        try:
            address = service.start()
            service.create(TABLE, (FAMILY,), TASKS)
            spark = engine.session("bench-through", settings)
            held = fill(spark, address)
            for name in names or SUBJECTS:
                measure(name, spark, address, held[SUBJECTS[name].day], Path(folder))
            spark.stop()
        finally:
            service.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
