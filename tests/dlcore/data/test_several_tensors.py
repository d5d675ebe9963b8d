"""Several inputs and targets, encoded pictures among them: the same rows on every path, the same training wherever rows are made."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch
from numpy.random import Generator
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD

from dlcore import Constant, Field, Training, Vocabulary
from dlcore.data.copying import copy_pieces
from dlcore.data.feed import Feed, training_shares
from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout
from dlcore.data.memory import held
from dlcore.data.order import Order
from dlcore.spark.writing import schema_of, write_pieces
from dlcore.step.tuning import computing_with, divided
from dlcore.storage.folder import Folder

FEATURES: Tensors = {
    "picture": "png",
    "shop": Field("shop", vocabulary=Vocabulary(("north", "south"))),
    "table": ["a", "b"],
}
LABEL: Tensors = {"bright": "bright", "row": Field("row", "float32")}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """101 pictures of 4 x 4 to 8 x 8 dots, half of them bright, with the rest of a row."""
    draw = np.random.default_rng(1)
    bright = draw.integers(0, 2, 101)
    pictures = [
        draw.integers(0, 100, (size, size, 3)).astype(np.uint8) + np.uint8(150 * light)
        for size, light in zip(draw.integers(4, 9, 101), bright, strict=True)
    ]
    return pd.DataFrame(
        {
            "png": [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures],
            "shop": [("north", "south", "west", None)[at % 4] for at in range(101)],
            "a": draw.standard_normal(101),
            "b": np.arange(101),
            "bright": bright,
            "row": np.arange(101),
        }
    )


def decode(x: dict[str, Any], y: dict[str, Any], generator: Generator | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Pictures of one size, mirrored by chance."""
    decoded = cv2.imdecode(np.frombuffer(x["picture"], np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("not a picture")
    picture = cv2.resize(decoded, (4, 4))
    if generator is not None and generator.random() < 0.5:
        picture = picture[:, ::-1]
    return x | {"picture": picture.transpose(2, 0, 1)}, y


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.picture, self.shop, self.table = nn.Conv2d(3, 4, 3), nn.Embedding(3, 4), nn.Linear(2, 4)
        self.bright, self.row = nn.Linear(4, 2), nn.Linear(4, 1)

    def forward(self, *, picture: Tensor, shop: Tensor, table: Tensor) -> dict[str, Tensor]:
        seen = self.picture(picture / 255).mean(dim=(2, 3)).relu()
        return {"bright": self.bright(seen), "row": self.row(self.shop(shop) + self.table(table / 100))}


def loss(prediction: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
    assert prediction["row"].shape == target["row"].shape
    return cross_entropy(prediction["bright"], target["bright"]) + mse_loss(prediction["row"], target["row"] / 100)


def training(**changes: Any) -> Training:
    settings: dict[str, Any] = {
        "model": Network,
        "loss": loss,
        "optimizer": partial(SGD, momentum=0.9),
        "schedule": Constant(lr=0.05),
        "batch": 16,
        "epochs": 3,
        "transform": decode,
    }
    return Training(**(settings | changes))


def close(one: nn.Module, other: nn.Module) -> None:
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_table_a_dataframe_and_parquet_files_give_the_same_tensors(
    spark: SparkSession, rows: pd.DataFrame, tmp_path: Path
) -> None:
    rows.to_parquet(tmp_path / "rows.parquet")
    files, table = ds.dataset(tmp_path / "rows.parquet"), pa.Table.from_pandas(rows)
    frame = spark.read.parquet(str(tmp_path / "rows.parquet"))
    folders = [Folder(str(tmp_path / name)) for name in ("spark", "files")]
    schemas = (table.schema, files.schema, schema_of(frame))
    layouts = [Layout.of(schema, features=FEATURES, label=LABEL) for schema in schemas]
    assert layouts[0] == layouts[1] == layouts[2]
    written = [write_pieces(frame, folders[0], layouts[0], silence_s=60), copy_pieces(files, folders[1], layouts[0])]
    opened = [
        shards.open(at, resident_bytes=size) for shards, at in zip(written, folders, strict=True) for size in (0, 10**9)
    ]
    wanted = np.random.default_rng(1).permutation(101)
    expected = held(table, layouts[0])[0].gather(wanted)
    for each in opened:
        found = each.gather(wanted)
        assert found.keys() == expected.keys()
        for name, cells in found.items():
            theirs = expected[name]
            same = (
                torch.equal(cells, theirs)
                if isinstance(cells, Tensor) and isinstance(theirs, Tensor)
                else cells == theirs
            )
            assert same, name


@pytest.mark.parametrize("loaders", [0, 2])
def test_each_row_once_and_whole_through_a_transform(rows: pd.DataFrame, tmp_path: Path, loaders: int) -> None:
    layout = Layout.of(pa.Table.from_pandas(rows).schema, features=FEATURES, label=LABEL)
    shards = copy_pieces(ds.dataset(pa.Table.from_pandas(rows)), Folder(str(tmp_path)), layout)
    mapped = shards.open(Folder(str(tmp_path)), resident_bytes=0)
    order = Order(rows=101, batch=16, seed=4)
    feeds = [
        Feed(
            mapped,
            training_shares(order, held=range(rank, rank + 1), shares=3),
            count=order.steps,
            transform=decode,
            loaders=loaders,
        )
        for rank in range(3)
    ]
    seen = [each(step) for step in range(order.steps) for each in feeds]
    numbers = torch.cat([meal.targets["row"] for meal in seen if meal.mine]).long()
    assert sorted(numbers.tolist()) == list(range(101))
    assert torch.equal(torch.cat([meal.inputs["table"][:, 1] for meal in seen if meal.mine]).long(), numbers)
    bright = torch.cat([meal.inputs["picture"].float().mean(dim=(1, 2, 3)) > 125 for meal in seen if meal.mine])
    assert bright.long().tolist() == rows["bright"].to_numpy()[numbers].tolist()


def test_workers_threads_and_memory_change_nothing(spark: SparkSession, rows: pd.DataFrame, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(rows)
    columns: dict[str, Any] = {"features": FEATURES, "label": LABEL}
    with computing_with(1):
        plain = training().fit(table, **columns, validation=table)
    with computing_with(2):  # one of them loads
        ahead = training().fit(table, **columns, validation=table)
        mapped = training(resident_bytes=0).fit(ds.dataset(table), **columns, validation=ds.dataset(table))
    for other in (ahead, mapped):
        assert all(torch.equal(a, b) for a, b in zip(plain.module.parameters(), other.module.parameters(), strict=True))
        assert [record.validation for record in other.history] == [record.validation for record in plain.history]
    frame = spark.createDataFrame(table).coalesce(1)
    two = training().fit(frame, **columns, workers=2, folder=str(tmp_path), validation=frame)
    close(two.module, plain.module)
    losses = [record.validation for record in two.history]
    assert losses == pytest.approx([record.validation for record in plain.history], rel=1e-4)
    assert losses[-1] is not None
    assert plain.history[0].loss > losses[-1]


def test_pictures_are_learnt_and_scored_and_a_broken_one_says_why(spark: SparkSession, rows: pd.DataFrame) -> None:
    fitted = training(epochs=30, batch=32).fit(rows, features=FEATURES, label=LABEL)
    scored = rows.assign(key=range(101))
    scored.at[5, "png"] = b"no picture"
    scored.at[6, "png"] = None
    frame = spark.createDataFrame(pa.Table.from_pandas(scored)).coalesce(1)
    outputs = {"bright_now": lambda prediction: prediction["bright"].argmax(dim=1)}
    found: pd.DataFrame = fitted.predict(frame, outputs=outputs).toPandas()
    good = found["error"].isna()
    assert (found["bright_now"] == found["bright"])[good].mean() > 0.95
    assert good.sum() == 99
    assert found.loc[5, "error"] == "ValueError: not a picture"
    assert found.loc[6, "error"] == "null or not a finite number: png"


def test_an_error_in_a_transform_is_raised_with_its_rank_and_trace(
    spark: SparkSession, rows: pd.DataFrame, tmp_path: Path
) -> None:
    def picky(x: Any, y: Any, generator: Generator | None) -> Any:
        if int(y["row"]) == 77:
            raise ZeroDivisionError("I do not like this row")
        return decode(x, y, generator)

    with pytest.raises(ZeroDivisionError, match="I do not like this row") as caught:
        training(transform=picky).fit(
            spark.createDataFrame(pa.Table.from_pandas(rows)),
            features=FEATURES,
            label=LABEL,
            workers=2,
            folder=str(tmp_path),
        )
    assert "raised on rank" in caught.value.__notes__[0]
    assert "in picky" in caught.value.__notes__[0]
    with computing_with(2), pytest.raises(ZeroDivisionError, match="I do not like this row"):
        training(transform=picky).fit(rows, features=FEATURES, label=LABEL)


class Brighter:
    """A transform with a setting, as users write them."""

    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, x: dict[str, Any], y: dict[str, Any], generator: Generator | None) -> tuple[Any, Any]:
        x, y = decode(x, y, generator)
        return x | {"picture": x["picture"] + self.by}, y


def test_a_transform_of_another_setting_is_another_training(rows: pd.DataFrame, tmp_path: Path) -> None:
    columns: dict[str, Any] = {"features": FEATURES, "label": LABEL, "folder": str(tmp_path)}
    for _ in range(2):
        training(epochs=1, transform=Brighter(1)).fit(rows, **columns)
    with pytest.raises(ValueError, match=r"transform was .*\(by=1\), is .*\(by=2\)"):
        training(epochs=1, transform=Brighter(2)).fit(rows, **columns)


def test_another_transform_is_another_training(rows: pd.DataFrame, tmp_path: Path) -> None:
    training(epochs=1).fit(rows, features=FEATURES, label=LABEL, folder=str(tmp_path))
    with pytest.raises(ValueError, match=r"transform was .*decode.*, is .*<lambda>"):
        training(epochs=1, transform=lambda x, y, _: decode(x, y, None)).fit(
            rows, features=FEATURES, label=LABEL, folder=str(tmp_path)
        )


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (None, r"columns \['png'\] hold bytes; give Training a transform that decodes them"),
        (lambda x, y, _: x, r"must return a pair \(x, y\), got dict"),
        (lambda x, y, _: (x, y), r"must make numbers of x\['picture'\], got bytes"),
        (
            lambda x, y, _: (x | {"picture": np.zeros((3, 4 + int(y["row"]) % 2, 4))}, y),
            r"must give x\['picture'\] one shape in all rows, got \[\(3, 4, 4\), \(3, 5, 4\)\]",
        ),
    ],
)
def test_what_a_transform_must_return_is_said(rows: pd.DataFrame, transform: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        training(transform=transform).fit(rows, features=FEATURES, label=LABEL)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("if(id = 3, null, encode('x', 'utf-8'))", "got null, NaN or infinity for x in 1 rows"),
        ("sequence(1, id % 2 + 1)", r"arrays of column x must all have one length, got \[1, 2\]"),
        ("sequence(1, if(id < 4, 1, 2))", r"arrays of column x must all have one length, got \[1, 2\]"),
        ("map(1, id)", "column x must hold numbers, got map<int32, int64"),
        ("make_dt_interval(1)", "column x must hold numbers, got duration"),
        ("make_interval(1)", "column x must hold numbers, got struct<interval: null>"),
    ],
)
def test_what_spark_cannot_give_is_a_sentence(spark: SparkSession, tmp_path: Path, column: str, sentence: str) -> None:
    frame = spark.range(0, 8, 1, 2).withColumn("x", F.expr(column))
    with pytest.raises(ValueError, match=sentence):
        training(transform=lambda x, y, _: (0.0, y)).fit(frame, features="x", label="id", folder=str(tmp_path))


def test_threads_are_never_more_than_cores() -> None:
    assert [divided(cores, loaders) for cores, loaders in [(1, 1), (2, 1), (4, 0), (4, 9)]] == [
        (1, 0),
        (1, 1),
        (4, 0),
        (1, 3),
    ]
