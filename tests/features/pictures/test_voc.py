"""The sample is read whole but for its two boxes without area; what is wrong is refused by a rule, and counted."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from features.pictures.voc import BadAnnotation, annotated, annotation

SAMPLE = Path(__file__).parents[3] / "apps" / "images" / "sample"
OBJECT = """<object><name>cup</name><difficult>{difficult}</difficult><part><bndbox><xmin>a</xmin></bndbox></part>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def xml(
    *boxes: tuple[object, ...], picture: str = "a.jpg", size: tuple[object, object] = (60, 40), difficult: str = "0"
) -> str:
    objects = "".join(OBJECT.format(*box, difficult=difficult) for box in boxes)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><filename>{picture}</filename>{sides}{objects}</annotation>"


def refused(text: str | bytes) -> str:
    with pytest.raises(BadAnnotation) as wrong:
        annotation(text.encode() if isinstance(text, str) else text)
    return wrong.value.rule


def test_the_sample_is_read_but_for_two_boxes() -> None:
    found = annotated(SAMPLE)
    assert len(found.annotations) == 364 and not found.refused
    assert found.losses() == {"no area": 2}
    assert [name for name, each in found.annotations.items() if each.dropped] == [
        "BloodImage_00338",
        "BloodImage_00343",
    ]
    assert found.labels() == {"RBC": 4153, "WBC": 372, "Platelets": 361}
    assert {name: len(found.split(name)) for name in found.splits} == {
        "test": 72,
        "train": 205,
        "trainval": 292,
        "val": 87,
    }
    splits = [{*found.splits[name]} for name in ("train", "val", "test")]
    assert len(set.union(*splits)) == 364
    one = found.annotations["BloodImage_00338"]
    assert (
        one.boxes[0].tolist() == [453, 81, 555, 182]
        and one.labels[0] == "RBC"
        and (one.width, one.height) == (640, 480)
    )
    with pytest.raises(ValueError, match="one of"):
        found.split("holdout")


def test_objects_are_read_with_their_parts_left_alone() -> None:
    found = annotation(xml((1, 2, 30, 40), (0.5, 0, 60, 40), difficult="1").encode())
    assert found.boxes.tolist() == [[1, 2, 30, 40], [0.5, 0, 60, 40]] and found.objects[0].difficult
    assert annotation(xml().encode()).boxes.shape == (0, 4)


def test_boxes_without_area_and_outside_are_dropped_with_their_reason() -> None:
    found = annotation(
        xml((1, 1, 1, 9), (9, 9, 5, 12), (-1, 0, 9, 9), (0, 0, 61, 9), (0, 0, 9, 41), (0, 0, 60, 40)).encode()
    )
    assert [each.rule for each in found.dropped] == ["no area"] * 2 + ["outside"] * 3
    assert len(found.objects) == 1 and "(60 x 40), this cup's is (0.0, 0.0, 61.0, 9.0)" in str(found.dropped[3])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "structure"),
        ("<annotation>", "structure"),
        ("{}", "structure"),
        (b"\xff\xd8\xff\xe0", "structure"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "structure"),
        ("<svg/>", "structure"),
        ("<annotation/>", "structure"),
        (xml(picture=""), "structure"),
        (xml(picture="../../secret.jpg"), "structure"),
        (xml(picture="a\\b.jpg"), "structure"),
        (xml(size=(0, 40)), "structure"),
        (xml(size=("wide", 40)), "structure"),
        (xml((1, 2, "nan", 4)), "structure"),
        (xml((1, 2, "1e999", 4)), "structure"),
        (xml((1, 2, "", 4)), "structure"),
        (xml((1, 2, 3, 4), difficult="perhaps"), "structure"),
        (xml((1, 2, 3, 4)).replace("<name>cup</name>", ""), "structure"),
        (re.sub("</?bndbox>", "", xml((1, 2, 3, 4))), "structure"),
        (b"<annotation>" + b" " * 10_000_000 + b"</annotation>", "structure"),
        ("<!DOCTYPE annotation>" + xml(), "doctype"),
        ('<!DOCTYPE annotation SYSTEM "file:///etc/hostname">' + xml(), "doctype"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_no_annotation_is_refused_by_a_rule(text: str | bytes, rule: str) -> None:
    assert refused(text) == rule


def test_entities_are_never_expanded() -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol" * 10}">' for n in range(12))
    laughs = f"<!DOCTYPE annotation [{levels}]>" + xml(picture="&l11;")
    assert refused(laughs) == "doctype"
    assert refused(('<?xml version="1.0" encoding="UTF-16"?>' + laughs).encode("utf-16")) == "doctype"
    file = '<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + xml(picture="&x;")
    assert refused(file) == "doctype"


def test_a_folder_is_read_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    picture = cv2.imencode(".jpg", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    pictures = {"a": picture, "a b": picture, "cut": picture[:200], "small": picture}
    for name, data in pictures.items():
        (tmp_path / "JPEGImages" / f"{name}.jpg").write_bytes(data)
    for name, size in {"a": (60, 40), "a b": (60, 40), "cut": (60, 40), "small": (60, 41), "gone": (60, 40)}.items():
        (tmp_path / "Annotations" / f"{name}.xml").write_text(xml((1, 2, 9, 9), picture=f"{name}.jpg", size=size))
    (tmp_path / "Annotations" / "text.xml").write_text("hello")
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a 1\na b\nnowhere -1\n\ncut\n")
    found = annotated(tmp_path)
    assert [*found.annotations] == ["a", "a b"] and [*found.split("train")] == ["a", "a b"]
    assert {name: wrong.rule for name, wrong in found.refused.items()} == {
        "cut": "bad picture",
        "gone": "no picture",
        "nowhere": "no annotation",
        "small": "size",
        "text": "structure",
    }
    assert found.losses().total() == 5
    shutil.rmtree(tmp_path / "Annotations")
    with pytest.raises(ValueError, match="folder Annotations"):
        annotated(tmp_path)
