"""The registry keeps versions by content, moves its champion on command, and refuses what is not whole."""

import json
import os
from pathlib import Path

import pytest
import torch

from dlcore import Artifact, ArtifactError
from pipelines.registry import Registry


def artifact(folder: Path, weight: float) -> Artifact:
    details = {
        "features": ["a"],
        "data": [{"ds": "2013-09-01"}],
        "validation": {"average_precision": weight, "fingerprint": "f"},
        "test": {"average_precision": weight},
    }
    tensors = {"weight": torch.tensor([[weight]]), "bias": torch.zeros(1)}
    return Artifact.save(
        str(folder / f"{weight}"),
        model="linear",
        arguments={"in_features": 1, "out_features": 1},
        tensors=tensors,
        details=details,
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(folder=tmp_path / "registry")


@pytest.fixture
def three(registry: Registry, tmp_path: Path) -> list[str]:
    """Three versions, each champion after the one before."""
    found = [registry.add(artifact(tmp_path, weight)) for weight in (0.5, 0.6, 0.7)]
    for version in found:
        registry.promote(version, by="a run", reason="better")
    return found


def test_a_version_is_named_by_its_content_and_added_once(registry: Registry, tmp_path: Path) -> None:
    made = artifact(tmp_path, 0.5)
    assert registry.add(made) == registry.add(artifact(tmp_path / "again", 0.5)) == made.id
    assert registry.versions() == [made.id]
    assert registry.load(made.id).details == made.details


def test_without_a_champion_the_error_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(LookupError, match="has no champion yet; publish a model first"):
        registry.champion()


def test_every_move_is_recorded(registry: Registry, three: list[str]) -> None:
    moves = registry.pointers().moves
    assert [(move.before, move.after) for move in moves] == [
        (None, three[0]),
        (three[0], three[1]),
        (three[1], three[2]),
    ]
    assert registry.champion().id == three[2]


def test_rolling_back_twice_reaches_the_first(registry: Registry, three: list[str]) -> None:
    assert registry.roll_back(by="hand") == three[1]
    assert registry.roll_back(by="hand") == three[0]
    with pytest.raises(ValueError, match="has no earlier version to roll back to"):
        registry.roll_back(by="hand")


def test_the_champion_and_pinned_versions_are_not_deleted(registry: Registry, three: list[str]) -> None:
    registry.pin(three[0])
    with pytest.raises(ValueError, match=f"{three[2]} is the champion and may not be deleted"):
        registry.delete(three[2])
    with pytest.raises(ValueError, match=f"{three[0]} is pinned and may not be deleted"):
        registry.delete(three[0])
    registry.unpin(three[0])
    registry.delete(three[0])
    assert registry.versions() == sorted(three[1:])


def test_the_oldest_versions_are_retired_but_no_champion_or_predecessor_or_pinned_one(
    registry: Registry, tmp_path: Path
) -> None:
    found = [registry.add(artifact(tmp_path, weight)) for weight in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    for age, version in enumerate(reversed(found)):
        os.utime(registry.folder / "versions" / version, (1e9 - age, 1e9 - age))
    registry.promote(found[0], by="a run", reason="better")
    registry.promote(found[1], by="a run", reason="better")
    registry.pin(found[2])
    assert registry.retire(keep=2) == [found[3]]
    assert registry.retire(keep=2) == []
    assert registry.versions() == sorted({*found} - {found[3]})


def test_a_pinned_champion_keeps_its_place(registry: Registry, three: list[str]) -> None:
    registry.pin(three[2])
    with pytest.raises(ValueError, match="is pinned and keeps its place"):
        registry.promote(three[0], by="hand", reason="")
    assert registry.champion().id == three[2]


def test_a_tampered_version_is_refused_by_name_and_never_promoted(registry: Registry, three: list[str]) -> None:
    (manifest,) = (registry.folder / "versions" / three[0]).glob("manifest-*")
    manifest.write_text(manifest.read_text().replace("0.5", "0.9"))
    with pytest.raises(ArtifactError, match=f"{three[0]} was changed"):
        registry.load(three[0])
    with pytest.raises(ArtifactError, match=three[0]):
        registry.promote(three[0], by="hand", reason="")
    assert registry.champion().id == three[2]


def test_a_version_tampered_with_and_hashed_again_is_refused(
    registry: Registry, three: list[str], tmp_path: Path
) -> None:
    champion = registry.folder / "versions" / three[2]
    loaded = Artifact.load(str(champion))
    forged = Artifact.save(
        str(champion),
        model=loaded.model,
        arguments=loaded.arguments,
        tensors=loaded.tensors,
        details={"threshold": 1.0},
    )
    with pytest.raises(ArtifactError, match=f"{three[2]} must hold version {three[2]}, got artifact {forged.id}"):
        registry.champion()


def test_versions_whose_folders_are_swapped_are_refused(registry: Registry, three: list[str]) -> None:
    versions = registry.folder / "versions"
    for old, new in ((three[0], "aside"), (three[1], three[0]), ("aside", three[1])):
        (versions / old).rename(versions / new)
    with pytest.raises(ArtifactError, match=f"{three[0]} must hold version {three[0]}, got artifact {three[1]}"):
        registry.promote(three[0], by="hand", reason="")
    assert registry.champion().id == three[2]


def test_a_version_that_was_deleted_is_said_to_be_gone(registry: Registry, three: list[str]) -> None:
    registry.delete(three[0])
    with pytest.raises(ArtifactError, match=f"version {three[0]} is gone"):
        registry.load(three[0])


def test_damaged_weights_are_refused_by_name(registry: Registry, three: list[str]) -> None:
    (weights,) = (registry.folder / "versions" / three[2]).rglob("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtifactError, match=f"{three[2]} is damaged"):
        registry.champion()


def test_a_version_of_a_later_format_is_refused_by_name(registry: Registry, three: list[str]) -> None:
    (manifest,) = (registry.folder / "versions" / three[1]).glob("manifest-*")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(ArtifactError, match=f"{three[1]} has format 99, this version reads 2"):
        registry.load(three[1])


def test_the_start_of_an_id_is_enough_where_it_is_one_versions(registry: Registry, three: list[str]) -> None:
    assert registry.version(three[1][:8]) == three[1]
    with pytest.raises(ValueError, match="must be the start of one version's id, it is of 0"):
        registry.version("no such")
    with pytest.raises(ValueError, match="must be the start of one version's id, it is of 3"):
        registry.version("")
