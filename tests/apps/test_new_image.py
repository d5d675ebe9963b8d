"""``apps new --kind image``: a detector of a folder never seen before, made, linted, run whole and removed; and what it refuses."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from apps.__main__ import APPS
from apps.images.data import SAMPLE
from apps.new import image
from apps.new.command import REPOSITORY
from apps.new.folder import Judged, judged
from infra.hbase.service import Service
from infra.settings import Settings
from infra.setup.annotated import AnnotatedFolder
from pipelines.outcome import Rows
from pipelines.publish import Published
from pipelines.runner import params
from tests.apps.folders import flat
from tests.made import dag, lint, made, of_the_app, refused, stages
from tests.steps import Bench

APP, DAY = "found_by_a_test", "2024-03-04"
FILES = [
    *[f"apps/{APP}/{name}" for name in ("README.md", "__init__.py", "data.py", "params.json", "recipe.py")],
    *[f"dags/{APP}_{kind}.py" for kind in ("daily", "training")],
    f"tests/apps/{APP}/test_pictures.py",
]
NAMES = sorted(file.stem for file in (SAMPLE / "JPEGImages").iterdir())[:30]
CLASSES = {"RBC": "red one", "WBC": 'a "white" one'}
ONCE = {"epochs": 1, "batch": 8, "shown": 3, "int8_bound": None, "bits": 16, "look_alikes": 2}
TRAINING = ("load", "pin", "prepare", "train", "evaluate", "quantise", "codes", "publish")
TOOLS = (["check", "--ignore", "I001"], ["format", "--check"])  # of text alone ruff cannot tell whose a module is
USING = ("detect", "encode", "neighbours", "report")


@pytest.fixture(scope="module")
def folder(state: Path) -> Path:
    """Thirty good pictures, and of each kind of what cannot be used one file."""
    found = state / "cells"
    flat(found, NAMES, CLASSES)
    good = (found / f"{NAMES[0]}.jpg").read_bytes()
    xml = (found / f"{NAMES[0]}.xml").read_text()
    for name, picture in {"broken": good[:2000], "again": good, "torn": good + b"\0", "bare": good + b"\1"}.items():
        (found / f"{name}.jpg").write_bytes(picture)
    for name in ("broken", "again", "lonely"):
        (found / f"{name}.xml").write_text(xml.replace(NAMES[0], name))
    (found / "torn.xml").write_text(xml[:200])
    (found / "notes.md").touch()
    return found


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[None]:
    with made(APP, "--kind", "image", "--from", str(folder), "--day", DAY):
        yield


def seen(folder: Path) -> Judged:
    return judged(AnnotatedFolder(folder=folder, app="free", day=DAY).found(), folder)


def test_every_file_of_a_folder_is_judged_as_loading_will(folder: Path) -> None:
    found = seen(folder)
    assert len(found.usable) == 31 and found.bare == 1
    assert [*found.classes] == ['a "white" one', "red one"] and found.classes["red one"] > 300
    assert {rule: count for rule, (count, _) in found.rules.items()} == {
        "duplicate": 1,
        "no picture": 1,
        "structure": 1,
        "truncated": 1,
    }
    assert found.left_out == {"files that end in .md": 1}
    assert found.sides == (360, 800) and found.short == 480
    assert found.splits.proposed == ("train", "val", "test")


def test_what_is_proposed_has_room_and_goes_by_the_number_of_pictures(folder: Path) -> None:
    found = seen(folder)
    proposal = image.Proposal(source=AnnotatedFolder(folder=folder, app="free", day=DAY), found=found)
    assert proposal.sides == (180, 1600) and proposal.short == 480 and proposal.most >= 2 * found.most
    assert (proposal.batch, proposal.epochs) == (8, 60)
    many = replace(found, usable={f"{n}.jpg": found.by_split["train"][0] for n in range(205)})
    other = replace(proposal, found=many)
    assert (other.batch, other.epochs) == (32, 12)  # as the blood cells of apps/images have them


@pytest.mark.usefixtures("app")
def test_it_is_exactly_these_files_and_lint_and_types_are_clean() -> None:
    assert of_the_app(APP) == sorted(FILES)
    lint([file for file in FILES if file.endswith(".py")])


def test_lint_is_clean_whatever_the_names_are(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'a "folder" it\'s').mkdir()
    source = AnnotatedFolder(folder=tmp_path / 'a "folder" it\'s', app="a" * 40, day=DAY)
    for names in (["one"], [*CLASSES.values(), "it's", "größe \\ x", "long " * 20]):
        flat(source.folder, NAMES[:9], {"RBC": names[0]})
        for name, label in zip(NAMES, names, strict=False):
            file = source.folder / f"{name}.xml"
            file.write_text(file.read_text().replace(names[0], label))
        for path, text in image.files(image.Proposal(source=source, found=seen(source.folder))).items():
            for tool in TOOLS if path.endswith(".py") else ():
                command = [sys.executable, "-m", "ruff", *tool, "--stdin-filename", path, "-"]
                done = subprocess.run(command, input=text, cwd=REPOSITORY, capture_output=True, text=True)
                assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("app")
def test_the_folder_landed_in_vocs_layout_and_lands_once(state: Path, folder: Path) -> None:
    landed = state / "landing" / APP / f"ds={DAY}"
    assert {file.name for file in landed.rglob("*.jpg")} == {file.name for file in folder.glob("*.jpg")}
    assert {file.name for file in landed.rglob("*.xml")} == {file.name for file in folder.glob("*.xml")}
    lists = {file.stem: file.read_text().splitlines() for file in (landed / "ImageSets" / "Main").iterdir()}
    assert {"train", "val", "test"} == lists.keys() and all(lists.values())
    data = importlib.import_module(f"apps.{APP}.data")
    assert data.landed(state / "landing") and not data.landed(state / "elsewhere")
    data.land(state / "elsewhere", state / "scratch", python=Path("python3"))
    again = state / "elsewhere" / APP / f"ds={DAY}" / "ImageSets" / "Main"
    assert {file.stem: file.read_text().splitlines() for file in again.iterdir()} == lists


@pytest.fixture(scope="module")
def bench(app: None, spark: SparkSession, hbase: Service, state: Path) -> Iterator[Bench]:
    hbase.start()
    settings = Settings(
        state=hbase.settings.state, landing=str(state / "landing"), registry=str(state / "registry"), driver_memory="2g"
    )
    rules = params.schema(APPS / APP / "params.json")
    values = params.validated(rules, {**ONCE, "first_date": DAY, "last_date": DAY})
    yield Bench(spark=spark, app=APP, stages=stages(APP), settings=settings, params=values)
    spark.sql(f"DROP DATABASE IF EXISTS {APP} CASCADE")


@pytest.mark.timeout(1200)  # two minutes on two cores that nobody else uses
def test_it_runs_whole_from_load_to_report(bench: Bench) -> None:
    told = {step: bench.do("first", step, DAY) for step in (*TRAINING, *USING)}
    assert told.keys() == bench.stages.keys()
    assert told["load"].rows == Rows(taken=35, given=31, quarantined=4)
    assert told["train"].rows == Rows(taken=21, given=21)
    assert 0 <= told["evaluate"].metrics["voc07"] <= 1
    published = told["publish"].left(Published)
    assert published.moved and published.champion == published.version
    assert told["detect"].rows == Rows(taken=31, given=31)
    report = bench.settings.report_file(APP, "first").read_text()
    assert "red one" in report and "1 pictures quarantined: structure" in report


@pytest.mark.usefixtures("app")
def test_its_own_test_passes(spark: SparkSession, hbase: Service, database: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"tests.apps.{APP}.test_pictures")
    module.test_a_picture_is_let_in_and_a_broken_one_quarantined_with_its_reason(spark, hbase, database, tmp_path)


@pytest.mark.usefixtures("app")
def test_its_form_has_the_parameters_of_the_images_application() -> None:
    first, own = (json.loads((APPS / app / "params.json").read_text()) for app in ("images", APP))
    for name in ("epochs", "batch"):
        assert own["training"][name].pop("default") > 0 < first["training"][name].pop("default")
    assert own == first


@pytest.mark.usefixtures("app")
def test_airflow_reads_its_dags_whose_arrows_are_what_its_steps_read(tmp_path: Path) -> None:
    steps: set[str] = set()
    for kind in ("daily", "training"):
        read = dag(APP, kind, tmp_path)
        own = {name: task for name, task in read["tasks"].items() if task["type"] == "Step"}
        for name, task in own.items():
            assert set(stages(APP)[name].reads) & own.keys() <= set(task["upstream"]), name
            assert (task["pool"] == "hive") == (stages(APP)[name].session == "hive"), name
            assert task["retries"] == 2
        rules = json.loads((APPS / APP / "params.json").read_text())[kind]
        assert read["params"] == {name: rule["default"] for name, rule in rules.items()}
        assert read["ours"] == []
        steps |= own.keys()
    assert steps == stages(APP).keys()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["Bad"], "a name must be small letters, digits and _, begin with a letter and be free, got 'Bad'"),
        (["images"], "there is an app named 'images' already, and nothing is overwritten"),
        (
            ["free", "--label", "y"],
            "--label must be left out, for it is of the kind table, and this is of the kind image",
        ),
        (["free", "--label", "y", "--time", "t"], "--label and --time must be left out"),
        (["free", "--day", "2024-02-31"], "--day must be a date YYYY-MM-DD, got '2024-02-31'"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(folder: Path, options: list[str], sentence: str) -> None:
    refused(["new", *options, "--kind", "image", "--from", str(folder)], sentence)


def test_a_folder_that_no_detector_can_be_made_of_is_refused_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    def made_of(source: Path, sentence: str) -> None:
        refused(["new", "free", "--kind", "image", "--from", str(source)], sentence)

    made_of(tmp_path / "nowhere", "--from must name a folder of annotated pictures, got .*nowhere")
    made_of(tmp_path, "must hold pictures .* and annotations .*, got 0 pictures and 0 annotations")
    flat(tmp_path, NAMES[:2], CLASSES)
    made_of(tmp_path, "train, val, test must get an annotated picture each, got 2 different pictures")
    flat(tmp_path, NAMES[2:6], CLASSES)
    for file in tmp_path.glob("*.xml"):
        file.write_text(file.read_text().replace(".jpg", "-old.jpg"))
    made_of(tmp_path, r"must have a picture with an annotated object, got none: 6 refused, no picture: an")
    flat(tmp_path, NAMES[:6], {})
    made_of(tmp_path, "must have a picture with an annotated object, got none: no objects")
    flat(tmp_path, NAMES[:6], CLASSES)
    for split, name in {"train": NAMES[0], "val": NAMES[1], "test": NAMES[2]}.items():
        (tmp_path / f"{split}.txt").write_text(name)
    (tmp_path / f"{NAMES[1]}.jpg").write_bytes(b"GIF89a")
    made_of(tmp_path, "the split val must have a picture with an object, got none: 1 refused, type: ")


@pytest.mark.usefixtures("app")
def test_what_is_there_is_never_overwritten(folder: Path, state: Path) -> None:
    again = ["--kind", "image", "--from", str(folder)]
    refused(["new", APP, *again], f"there is an app named '{APP}' already")
    (state / "landing" / "free").mkdir()
    refused(["new", "free", *again], "landing/free exists already, and nothing is overwritten; choose another name")
