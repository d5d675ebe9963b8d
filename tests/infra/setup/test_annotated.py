"""A folder of pictures lands as one day in VOC's layout: every picture and annotation of it, and what stays behind is counted."""

from pathlib import Path

import pytest

from infra.setup.annotated import AnnotatedFolder, Unusable

DAY = "2024-03-01"


def folder(tmp_path: Path, *names: str) -> AnnotatedFolder:
    for name in names:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    return AnnotatedFolder(folder=tmp_path / "from", app="cells", day=DAY)


def landed(tmp_path: Path, source: AnnotatedFolder) -> dict[str, str]:
    """What stands in the day's folder, by path."""
    assert not source.landed(tmp_path)
    source.land(tmp_path, tmp_path / "scratch")
    assert source.landed(tmp_path) and not (tmp_path / "scratch").exists()
    day = tmp_path / "cells" / f"ds={DAY}"
    return {file.relative_to(day).as_posix(): file.read_text() for file in sorted(day.rglob("*")) if file.is_file()}


def pairs(*stems: str) -> list[str]:
    return [f"{stem}{end}" for stem in stems for end in (".jpg", ".xml")]


def test_a_flat_folder_lands_in_vocs_layout_with_proposed_splits_and_the_same_again(tmp_path: Path) -> None:
    source = folder(tmp_path, *pairs("a", "b", "c c"), "no annotation.PNG", "no picture.xml", "README.md", "._a.jpg")
    found = landed(tmp_path, source)
    assert [name for name in found if not name.startswith("ImageSets")] == [
        *[f"Annotations/{name}.xml" for name in ("a", "b", "c c", "no picture")],
        *[f"JPEGImages/{name}" for name in ("a.jpg", "b.jpg", "c c.jpg", "no annotation.PNG")],
    ]
    lists = [found[f"ImageSets/Main/{split}.txt"].splitlines() for split in ("train", "val", "test")]
    assert sorted(name for names in lists for name in names) == ["a", "b", "c c"] and all(lists)
    assert source.found().left_out == {
        "files that end in .md": 1,
        "names that begin with a dot or _, which Spark does not read; rename them": 1,
    }
    (tmp_path / "cells" / f"ds={DAY}" / "left over").touch()
    source.land(tmp_path, tmp_path / "scratch")
    assert not (tmp_path / "cells" / f"ds={DAY}" / "left over").exists()


def test_vocs_layout_lands_as_it_is_without_its_masks(tmp_path: Path) -> None:
    names = [
        f"VOC/{part}/{stem}{end}" for stem in "abc" for part, end in (("JPEGImages", ".jpg"), ("Annotations", ".xml"))
    ]
    source = folder(tmp_path, *names, "VOC/SegmentationClass/a.png", "VOC/ImageSets/Layout/train.txt")
    (tmp_path / "from" / "VOC" / "ImageSets" / "Main").mkdir()
    for split, name in {"train": "a", "val": "b", "test": "c", "trainval": "a", "dog_train": "a -1"}.items():
        (tmp_path / "from" / "VOC" / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n")
    found = landed(tmp_path, source)
    assert {name: text for name, text in found.items() if name.startswith("ImageSets")} == {
        f"ImageSets/Main/{split}.txt": f"{name}\n" for split, name in {"train": "a", "val": "b", "test": "c"}.items()
    }
    assert [name for name in found if name.startswith("JPEGImages")] == [f"JPEGImages/{stem}.jpg" for stem in "abc"]
    assert source.found().left_out == {
        "files that end in .png, outside of JPEGImages": 1,
        "files that end in .txt": 2,
        "lists that are not in ImageSets/Main": 1,
    }


def test_folders_named_by_splits_are_splits_and_stay_folders(tmp_path: Path) -> None:
    found = landed(tmp_path, folder(tmp_path, *pairs("train/a", "valid/b", "test/c")))
    assert "JPEGImages/valid/b.jpg" in found and found["ImageSets/Main/val.txt"] == "b\n"


def test_a_folder_without_annotated_pictures_is_refused_and_nothing_lands(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"must hold pictures .* and annotations .*, got 1 pictures and 0 annotations"):
        landed(tmp_path, folder(tmp_path, "a.jpg", "notes.txt"))
    with pytest.raises(Unusable, match=r"must hold one folder in VOC's layout, got .*2007.*2012; name one"):
        folder(
            tmp_path, *[f"{year}/{part}/a" for year in (2007, 2012) for part in ("Annotations", "JPEGImages")]
        ).found()
    assert not (tmp_path / "cells").exists()
