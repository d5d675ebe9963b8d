"""A picture is let in with what is known of it, or refused by the rule that it breaks."""

from collections.abc import Callable

import cv2
import pytest

from features.pictures.decoding import decode
from features.pictures.headers import Limits
from pipelines.pictures.intake.judging import Rules
from tests.pipelines.pictures.conftest import NAMES, RULES, SAMPLE

NAME = NAMES[0]
PICTURE = (SAMPLE / "JPEGImages" / f"{NAME}.jpg").read_bytes()
XML = (SAMPLE / "Annotations" / f"{NAME}.xml").read_bytes()


def test_what_is_known_of_a_picture() -> None:
    known = RULES.judged(f"{NAME}.jpg", PICTURE, XML, ["val"])
    assert (known.kind, known.width, known.height, known.split) == ("jpeg", 640, 480, "val")
    assert known.annotation is not None and len(known.annotation.objects) == XML.count(b"<object>")


def test_a_picture_that_nobody_has_annotated_is_let_in_and_is_in_no_split() -> None:
    known = RULES.judged(f"{NAME}.jpg", PICTURE, None)
    assert known.annotation is None and known.split is None


def small() -> bytes:
    return cv2.imencode(".png", cv2.resize(decode(PICTURE), (48, 640)))[1].tobytes()


@pytest.mark.parametrize(
    ("picture", "xml", "splits", "said"),
    [
        (b"", XML, [], "empty: "),
        (PICTURE[:-500], XML, [], "truncated: "),
        (small(), XML, [], "size: a side must have 64 to 4,096 dots, this picture has 48 x 640"),
        (PICTURE, XML.replace(b"<width>640", b"<width>641"), [], "size: .*says .641 x 480., it is 640 x 480"),
        (PICTURE, XML.replace(b"RBC", b"Dog", 1), [], "class: objects must be of RBC, WBC, Platelets, got Dog"),
        (PICTURE, XML.replace(NAME.encode() + b".jpg", b"other.jpg"), [], "no picture: .* names other.jpg"),
        (PICTURE, b"<annotation>", [], "structure: "),
        (PICTURE, XML, ["test", "train"], "split: a picture must be in one split, this is in test and train"),
        (PICTURE, None, ["test"], "no annotation: a picture in a split must have an annotation"),
    ],
)
def test_each_rule_that_is_broken_is_named(picture: bytes, xml: bytes | None, splits: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        RULES.judged(f"{NAME}.jpg", picture, xml, splits)


def test_lists_that_are_no_splits_do_not_count() -> None:
    assert RULES.judged(f"{NAME}.jpg", PICTURE, XML, ["train", "trainval"]).split == "train"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Rules(classes=()), "different names, at least one, got"),
        (lambda: Rules(classes=("a", "a")), "different names"),
        (lambda: Rules(classes=("a",), sides=(9, 8)), "the least and the most"),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong: Callable[[], Rules], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


def test_limits_are_the_decoders() -> None:
    with pytest.raises(ValueError, match=r"^large: "):
        Rules(classes=("a",), limits=Limits(dots=1000)).judged("a.jpg", PICTURE, None)
