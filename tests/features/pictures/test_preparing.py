"""One preparation under Spark's tasks and training's loaders: the same pictures, targets and chances; bad rows get a reason."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from torch import Tensor, nn
from torch.optim import SGD

from dlcore import Constant, Training
from features.pictures.boxes import boxes
from features.pictures.chains import Chain, chances
from features.pictures.dataframe import Augmented, Jpeg, Prepare, png
from features.pictures.decoding import decode
from features.pictures.geometry import CentreCrop, Resize
from features.pictures.preparing import NONE, Loading, Preparation, crops, pack, turned_crops, unpack
from features.pictures.sampling import ssd
from features.pictures.voc import annotated

SAMPLE = Path(__file__).parents[3] / "apps" / "images" / "sample"
CLASSES = ("RBC", "WBC", "Platelets")
SMALL = Preparation(chain=Chain((Resize(32, 24),)))
Row = tuple[int, bytes | None, bytes | None]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Number, picture and packed targets of 24 pictures."""
    found = list(annotated(SAMPLE).annotations.values())[:24]
    return [
        (
            number,
            (SAMPLE / "JPEGImages" / each.picture).read_bytes(),
            pack(each.boxes, [CLASSES.index(label) for label in each.labels], each.difficult),
        )
        for number, each in enumerate(found)
    ]


@pytest.fixture(scope="module")
def df(spark: SparkSession, rows: list[Row]) -> DataFrame:
    bad: list[Row] = [
        (100, None, None),
        (101, b"", None),
        (102, b"GIF89a", None),
        (103, (rows[0][1] or b"")[:999], None),
    ]
    bad += [(104, rows[0][1], b"123"), (105, b"\x89PNG\r\n\x1a\n", None)]
    return spark.createDataFrame([*rows, *bad], "number long, picture binary, targets binary").repartition(2)


def test_bad_rows_get_their_reason_and_the_job_stays_green(df: DataFrame, rows: list[Row]) -> None:
    after = Prepare(preparation=SMALL, targets="targets")(df)
    assert after.columns == ["number", "pixels", "width", "height", "targets", "error"]
    found = {row.number: row for row in after.collect()}
    assert len(found) == 30
    reasons = {number: row.error.partition(":")[0] for number, row in found.items() if row.error}
    assert found[104].error == "preparation: targets must be 24 bytes a box, got 3 bytes"
    rules = ("empty", "empty", "type", "truncated", "preparation", "truncated")
    assert reasons == dict(zip(range(100, 106), rules, strict=True))
    assert all(found[number][1:5] == (None,) * 4 for number in reasons)
    for number, data, packed in rows:
        pixels, targets = SMALL.with_targets(data, packed)
        assert found[number].pixels == pixels.tobytes() and found[number].targets == targets.tobytes()
        assert (found[number].width, found[number].height) == (32, 24)


def test_spark_and_loaders_take_the_same_chances(df: DataFrame, rows: list[Row]) -> None:
    preparation = Preparation(chain=ssd(48, 48))
    after = Prepare(preparation=preparation, targets="targets", augmented=Augmented(seed=7, epoch=2, row="number"))(df)
    loading = Loading(preparation=preparation, picture="image", targets="boxes", channels_last=True)
    looks = set()
    for row in after.where("error is null").collect():
        _, data, packed = rows[row.number]
        x, y = loading({"image": data, "shop": 3}, {"boxes": packed}, chances(7, 2, row.number))
        assert x["image"].tobytes() == row.pixels and x["shop"] == 3
        assert np.array_equal(y["boxes"][y["boxes"][:, 4] != NONE], unpack(row.targets))
        looks.add(row.pixels)
    assert len(looks) == 24


def test_batches_that_go_back_are_bounded(rows: list[Row]) -> None:
    names = ["number", "picture", "targets"]
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], names=names)
    pieces = list(Prepare(preparation=SMALL, batch_bytes=32 * 24 * 3 * 4).batches(batch))
    assert [piece.num_rows for piece in pieces] == [5, 5, 5, 5, 4]
    assert pa.Table.from_batches(pieces).column("number").to_pylist() == list(range(24))


def test_encodings_and_columns(df: DataFrame, rows: list[Row]) -> None:
    wanted = SMALL(rows[3][1]).pixels
    for encoding, apart in ((png, 0), (Jpeg(quality=95), 8)):
        (row,) = Prepare(preparation=SMALL, encoding=encoding)(df.where("number = 3")).collect()
        assert np.abs(decode(row.pixels).astype(int) - wanted).mean() <= apart
        assert row.targets == rows[3][2], "a column that is not read stays"
    with pytest.raises(ValueError, match="new ones, got"):
        Prepare(preparation=SMALL)(df.withColumnRenamed("number", "width"))
    with pytest.raises(ValueError, match="none of the name image"):
        Prepare(preparation=SMALL, picture="image")(df)
    crop = Preparation(chain=Chain((CentreCrop(9000, 9000),)))
    errors = Prepare(preparation=crop)(df).select("error").collect()
    assert Counter("at least as large" in row.error for row in errors) == {True: 25, False: 5}


def test_loading_gives_one_shape_and_says_when_boxes_are_too_many(rows: list[Row]) -> None:
    _, data, packed = rows[0]
    x, y = Loading(preparation=SMALL, most=40)(data, packed, None)
    assert x.shape == (3, 24, 32) and x.flags.c_contiguous and y.shape == (40, 6)
    assert (y[len(unpack(packed)) :] == NONE).all() and (y[: len(unpack(packed)), 4] >= 0).all()
    scored, nothing = Loading(preparation=SMALL)(data, None, None)
    assert np.array_equal(scored, x) and nothing is None
    with pytest.raises(ValueError, match="at most 2 boxes"):
        Loading(preparation=SMALL, most=2)(data, packed, None)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        counted: Tensor = self.layers(x / 255).squeeze(1)
        return counted


def count(prediction: Tensor, targets: Tensor) -> Tensor:
    return (prediction - (targets[:, :, 4] != NONE).sum(1)).abs().mean()


def test_training_takes_it_as_its_transform(rows: list[Row], tmp_path: Path) -> None:
    table = pa.table({"picture": [row[1] for row in rows], "targets": [row[2] for row in rows]})
    training = Training(
        model=Counting, loss=count, optimizer=partial(SGD, momentum=0.9), schedule=Constant(lr=0.1), batch=8, epochs=2,
        transform=Loading(preparation=Preparation(chain=ssd(64, 64)), most=40),
    )  # fmt: skip
    one, two = (training.fit(table, features="picture", label="targets", folder=str(tmp_path / name)) for name in "ab")
    assert [record.loss for record in one.history] == [record.loss for record in two.history]


def test_packing_is_undone_by_unpacking() -> None:
    packed = pack(boxes([[1, 2, 3, 4.5], [0.0, 0, 9, 9]]), [2, 0], [False, True])
    assert unpack(packed).tolist() == [[1, 2, 3, 4.5, 2, 0], [0, 0, 9, 9, 0, 1]]
    assert unpack(None).shape == unpack(b"").shape == unpack(pack(boxes([]), [])).shape == (0, 6)
    with pytest.raises(ValueError, match="each box must have a class"):
        pack(boxes([[1, 2, 3, 4]]), [])


def test_crops_are_what_boxes_frame() -> None:
    canvas = np.zeros((50, 60, 3), np.uint8)
    canvas[10:20, 30:50] = (1, 2, 3)
    framed = boxes([[30, 10, 50, 20]])
    (exact,), (wide,) = (crops(canvas, framed, width=16, height=8, margin=margin) for margin in (0.0, 0.5))
    assert exact.shape == wide.shape == (8, 16, 3)
    assert (exact == (1, 2, 3)).all() and 0.2 < (wide == (1, 2, 3)).mean() < 0.3
    assert crops(canvas, boxes([]), width=4, height=4) == []


def test_turned_crops_show_what_is_around_the_box_and_turn_back() -> None:
    canvas = np.tile(np.arange(120, dtype=np.uint8)[:, None, None], (1, 120, 3))  # brighter towards the bottom
    framed = boxes([[40, 40, 80, 80], [0, 0, 20, 20]])
    inner, edge = turned_crops(canvas, framed, width=40, height=40)
    assert inner.shape == edge.shape == (5, 40, 40, 3)
    assert np.array_equal(inner[2], crops(canvas, framed, width=40, height=40)[0]), "the middle one is not turned"
    y, x = np.mgrid[0.5:40, 0.5:40] - 20
    for by, seen in zip((-10, -5, 5, 10), inner[[0, 1, 3, 4]], strict=True):
        angle = np.deg2rad(by)
        wanted = 59.5 + y * np.cos(angle) + x * np.sin(angle)  # of the canvas, corners too: nothing is filled
        assert np.abs(seen[..., 0] - wanted).max() < 1
    assert turned_crops(canvas, boxes([]), width=4, height=4) == []
