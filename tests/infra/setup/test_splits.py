"""Splits as lists or folders name them, or dealt out by contents: the same whatever files are called, and none empty."""

from pathlib import Path

import pytest

from infra.setup.splits import SHARES, dealt, meant, named_by_folders, named_in_lists, splits


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {Path(name).stem}")
    return [folder / name for name in names]


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10, 30, 101])
def test_every_name_is_dealt_once_and_no_split_is_empty(count: int) -> None:
    names = {f"{number * 7919 % 1000:04d}": f"name {number}" for number in range(count)}
    found = dealt(names, SHARES)
    assert sorted(name for each in found.values() for name in each) == sorted(names.values())
    assert all(found[split] and abs(len(found[split]) - count * share) <= 1.5 for split, share in SHARES.items())


def test_it_is_dealt_by_content_whatever_files_are_called(tmp_path: Path) -> None:
    one = splits({}, files(tmp_path, *[f"{number}.jpg" for number in range(20)]))
    assert one.proposed == ("train", "val", "test") and list(map(len, one.names.values())) == [14, 3, 3]
    for file in tmp_path.iterdir():
        file.rename(tmp_path / f"renamed {file.name}")
    other = splits({}, sorted(tmp_path.iterdir()))
    assert other.names == {split: tuple(f"renamed {name}" for name in names) for split, names in one.names.items()}


def test_a_split_that_is_lacking_is_taken_out_of_train_and_the_others_stay(tmp_path: Path) -> None:
    pictures = files(tmp_path, *[f"{number:02d}.jpg" for number in range(20)])
    names = [file.stem for file in pictures]
    found = splits({"train": tuple(names[:17]), "test": tuple(names[17:])}, pictures)
    assert found.proposed == ("val",) and found.names["test"] == tuple(names[17:])
    assert (len(found.names["train"]), len(found.names["val"])) == (14, 3)
    assert {*found.names["train"], *found.names["val"]} == {*names[:17]}


def test_equal_pictures_are_in_one_split(tmp_path: Path) -> None:
    pictures = files(tmp_path, "a/1.jpg", "b/1.jpg", "c/2.jpg", "c/3.jpg", "c/4.jpg")
    pictures[-1].write_bytes(pictures[-2].read_bytes())
    found = splits({}, pictures)
    assert sorted(name for names in found.names.values() for name in names) == ["1", "2", "3"]


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="train, val, test must get an annotated picture each, got 2 different pictures"
    ):
        splits({}, files(tmp_path, "a.jpg", "b.jpg"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("a", "a"),
        ("a  -1", "a"),
        (" two words \r", "two words"),
        ("a.jpg", "a"),
        ("images/a.jpg 1", "a"),
        ("b 1", "b 1"),
    ],
)
def test_a_line_of_a_list_means_a_picture(line: str, name: str) -> None:
    assert meant(line, {"a", "two words"}) == name


def test_lists_and_folders_name_splits(tmp_path: Path) -> None:
    pictures = files(tmp_path, "train/a.jpg", "train/more/b.jpg", "Valid/c.jpg", "test/d.jpg", "else/e.jpg")
    assert named_by_folders(pictures, tmp_path) == {"train": ("a", "b"), "val": ("c",), "test": ("d",)}
    (tmp_path / "validation.txt").write_text("a\nb\na\n")
    assert named_in_lists([tmp_path / "validation.txt"], pictures) == {"val": ("a", "b")}
