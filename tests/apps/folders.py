"""Detection folders that no application has seen: pictures of the sample with other classes and other sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import cv2

from apps.images.data import SAMPLE

SIDES = {"width": ("xmin", "xmax"), "height": ("ymin", "ymax")}


def flat(
    folder: Path, names: Sequence[str], classes: Mapping[str, str], scales: Sequence[float] = (1.0, 0.75, 1.25)
) -> None:
    """Pictures with their annotations beside them, objects of ``classes`` alone by their new names, sizes by ``scales`` in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        put(folder, name, classes, scales[number % len(scales)])


def put(folder: Path, name: str, classes: Mapping[str, str], scale: float) -> None:
    pixels = cv2.imread(str(SAMPLE / "JPEGImages" / f"{name}.jpg"))
    assert pixels is not None
    resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / f"{name}.jpg"), resized)
    root = ElementTree.parse(SAMPLE / "Annotations" / f"{name}.xml").getroot()
    for each in root.findall("object"):
        label = each.findtext("name") or ""
        if label not in classes:
            root.remove(each)
        text(each, "name").text = classes.get(label, label)
    for side, size in zip(SIDES, (resized.shape[1], resized.shape[0]), strict=True):
        text(root, f"size/{side}").text = f"{size}"
        for corner in (text(box, name) for box in root.iter("bndbox") for name in SIDES[side]):
            corner.text = f"{min(float(corner.text or 0) * scale, size):.1f}"
    ElementTree.ElementTree(root).write(folder / f"{name}.xml", encoding="utf-8")


def text(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    assert found is not None, path
    return found
