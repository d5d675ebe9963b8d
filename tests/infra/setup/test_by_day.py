"""A CSV file lands by day: each row in the file of its day, none lost, and none twice."""

from pathlib import Path

import pytest

from infra.setup.by_day import EPOCH, ByDay, Unreadable


def landed(tmp_path: Path, content: str, **given: str) -> dict[str, str]:
    (tmp_path / "all.csv").write_text(content)
    source = ByDay(file=tmp_path / "all.csv", app="shops", **given)
    assert not source.landed(tmp_path)
    source.land(tmp_path, tmp_path / "scratch")
    assert source.landed(tmp_path) and not (tmp_path / "scratch").exists()
    return {file.parent.name: file.read_text() for file in (tmp_path / "shops").glob("*/rows.csv")}


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("", ("2024-02-28", "2024-02-29 23:59:59", "2024-03-01T01:30:00+02:00")),
        ("%d/%m/%Y", ("28/02/2024", "29/02/2024", "29/02/2024")),
        (EPOCH, ("1709078400", "1709164800", "1709251199.5")),
    ],
)
def test_a_row_goes_to_the_day_of_its_time_in_utc(tmp_path: Path, form: str, times: tuple[str, ...]) -> None:
    rows = "\n".join(f"{number},{time}" for number, time in enumerate(times))
    found = landed(tmp_path, f"x,t\n{rows}\n", time="t", form=form)
    assert found == {
        "ds=2024-02-28": f"x,t\n0,{times[0]}\n",
        "ds=2024-02-29": f"x,t\n1,{times[1]}\n2,{times[2]}\n",
    }


def test_a_row_whose_time_cannot_be_read_goes_with_the_one_before_it(tmp_path: Path) -> None:
    found = landed(tmp_path, "x,t\n0,none\n1,2024-01-02\n2,\n3\n", time="t")
    assert found == {"ds=2024-01-02": "x,t\n0,none\n1,2024-01-02\n2,\n3\n"}


def test_without_a_time_all_rows_are_of_one_day_and_become_plain_csv(tmp_path: Path) -> None:
    found = landed(tmp_path, '\ufeffx; y\n"a; b";"two\nlines"\n\n1,5; c \n', delimiter=";", day="2024-01-02")
    assert found == {"ds=2024-01-02": 'x,y\na; b,two lines\n"1,5",c\n'}


def test_a_file_without_rows_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="must have rows below its header, got none"):
        landed(tmp_path, "x,t\n", day="2024-01-02")
    with pytest.raises(Unreadable, match="must have rows with a time in 't', got none in 1"):
        landed(tmp_path, "x,t\n1,soon\n", time="t")
    assert not (tmp_path / "shops").exists() and not (tmp_path / "scratch").exists()


def test_another_machine_that_lacks_the_file_has_nothing_to_land(tmp_path: Path) -> None:
    assert ByDay(file=tmp_path / "gone.csv", app="shops", day="2024-01-02").landed(tmp_path)
