"""The commands on published models say what they did, and a refusal ends them with its sentence."""

import json
from pathlib import Path

import pytest

from pipelines.registry import Registry
from pipelines.runner import models
from tests.pipelines.test_registry import artifact


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, list[str]]:
    registry = Registry(folder=tmp_path / "registry")
    versions = [registry.add(artifact(tmp_path, weight)) for weight in (0.5, 0.6)]
    for version in versions:
        registry.promote(version, by="a run", reason="better")
    return registry.folder, versions


def test_list_marks_champion_and_pins(published: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    folder, (first, second) = published
    models.main("fraud", folder, ["pin", first[:6]])
    models.main("fraud", folder, ["list"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines[first[:12]].endswith("2013-09-01  pinned")
    assert lines[second[:12]].endswith("2013-09-01  champion")


def test_show_prints_details_and_moves_as_json(
    published: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, (first, second) = published
    models.main("fraud", folder, ["show", first])
    shown = json.loads(capsys.readouterr().out)
    assert shown["version"] == first and shown["validation"]["average_precision"] == 0.5
    assert [move["after"] for move in shown["moves"]] == [first, second]


def test_rollback_and_delete_move_and_remove(published: tuple[Path, list[str]]) -> None:
    folder, (first, second) = published
    models.main("fraud", folder, ["rollback"])
    assert Registry(folder=folder).champion().id == first
    models.main("fraud", folder, ["delete", second])
    assert Registry(folder=folder).versions() == [first]


def test_a_person_may_promote_what_could_not_be_compared(published: tuple[Path, list[str]]) -> None:
    folder, (first, _) = published
    models.main("fraud", folder, ["promote", first])
    assert Registry(folder=folder).pointers().moves[-1].reason == "promoted by hand"
    assert Registry(folder=folder).champion().id == first


def test_a_refusal_is_one_sentence(published: tuple[Path, list[str]]) -> None:
    folder, (_, second) = published
    with pytest.raises(SystemExit, match="is the champion and may not be deleted"):
        models.main("fraud", folder, ["delete", second])


def test_list_of_an_empty_registry_says_how_to_fill_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models.main("fraud", tmp_path, ["list"])
    assert "publish step adds one" in capsys.readouterr().out


def test_a_damaged_version_is_listed_with_its_refusal(
    published: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, (first, _) = published
    (weights,) = (folder / "versions" / first).rglob("weights.safetensors")
    weights.unlink()
    models.main("fraud", folder, ["list"])
    assert f"{first[:12]}  refused: there is no artifact" in capsys.readouterr().out
