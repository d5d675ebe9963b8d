"""A candidate scores in int8 where its metric stays within the bound, and else in f32, with both figures and no failure."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from dlcore import Artifact, MeanLoss, Output
from pipelines.outcome import Outcome, Rows
from pipelines.quantise import Chosen, Precision, Quantise, Quantised, precision
from pipelines.section import Listing, Text

FEATURES = ["a", "b"]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))


load = partial(Artifact.load, models={"network": network})


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    torch.manual_seed(0)
    folder = str(tmp_path_factory.mktemp("candidate"))
    made = Artifact.save(
        folder,
        model="network",
        arguments={},
        tensors=network().state_dict(),
        details={"threshold": 0.5, "kept": 1},
        features=FEATURES,
        outputs={"score": Output("float")},
    )
    return load(made.folder)


@pytest.fixture(scope="module")
def rows(candidate: Artifact) -> pa.Table:
    """Rows whose label is what torch says of them, so that the loss is the error of int8 alone."""
    generator = torch.Generator().manual_seed(1)
    drawn = {name: torch.randn(120, generator=generator).numpy() for name in FEATURES}
    return candidate.predict(pa.table(drawn)).drop_columns("error").rename_columns([*FEATURES, "label"])


def step(candidate: Artifact, rows: pa.Table, into: Path, bound: float | None) -> Quantise:
    return Quantise(
        candidate=Path(candidate.folder),
        into=into,
        load=load,
        calibration=lambda _: rows.slice(0, 30),
        validation=lambda _: rows,
        label="label",
        metric=MeanLoss(loss=mse_loss),
        bound=bound,
    )


def chosen(artifact: Artifact, precision: Precision) -> Chosen:
    """What depends on the precision: here its name, since the artifact can be asked for its predictions in it."""
    assert artifact.ir(precision) is not None
    return Chosen(
        details={"threshold": 0.25, "of": precision},
        rows=Rows(taken=120, given=120),
        metrics={"chosen": 1.0},
        parts=(Text(text="chosen anew"),),
    )


def figures(found: Outcome) -> Mapping[str, Any]:
    (section,) = found.sections
    (listing,) = [part for part in section.parts if isinstance(part, Listing) and not part.folded]
    return {line.cells[0]: line for line in listing.lines}


@pytest.fixture(scope="module")
def accepted(candidate: Artifact, rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    into = tmp_path_factory.mktemp("accepted")
    return replace(step(candidate, rows, into, bound=1.0), choose=chosen).run(None)


def test_within_the_bound_it_scores_in_int8_and_says_so(candidate: Artifact, accepted: Outcome) -> None:
    left = accepted.left(Quantised)
    made = load(str(left.folder))
    assert (left.precision, left.version) == ("int8", made.id) and precision(made) == "int8"
    assert precision(candidate) is None and Artifact.load(candidate.folder).id == candidate.id
    assert "scores in int8: loss is 0.0" in accepted.summary
    assert "within the bound of 1; 0 of 2 layers stay in float" in accepted.summary
    assert accepted.metrics["loss_f32"] < 1e-9 < accepted.metrics["loss_int8"] < 0.1
    assert accepted.metrics["int8_bytes"] > 0 and accepted.metrics["layers_in_float"] == 0
    assert accepted.facts == {"Model": made.id[:12], "Scored in": "int8"}
    assert figures(accepted)["int8"].own and not figures(accepted)["fp32"].own
    assert Outcome.from_json(accepted.to_json()).left(Quantised) == left


def test_what_depends_on_the_precision_is_chosen_in_it_and_kept_in_the_artifact(accepted: Outcome) -> None:
    made = load(str(accepted.left(Quantised).folder))
    assert made.details == {"threshold": 0.25, "of": "int8", "kept": 1, "precision": "int8"}
    assert accepted.rows == Rows(taken=120, given=120) and accepted.metrics["chosen"] == 1
    assert accepted.sections[0].parts[-1] == Text(text="chosen anew")


def test_past_the_bound_it_scores_in_f32_with_both_figures_and_nothing_of_an_earlier_try_stays(
    candidate: Artifact, rows: pa.Table, accepted: Outcome
) -> None:
    """The bound is of no loss at all, which no quantised layer keeps to."""
    into = accepted.left(Quantised).folder
    found = step(candidate, rows, into, bound=0.0).run(None)
    made = load(str(into))
    assert found.left(Quantised).precision == precision(made) == "f32"
    assert made.files == ["ir/f32.bin", "ir/f32.xml", "weights.safetensors"]
    assert "scores in f32: int8 was refused, loss is " in found.summary and not found.failed
    assert found.metrics["loss_f32"] < found.metrics["loss_int8"]
    assert figures(found)["fp32"].own and not figures(found)["int8"].own
    assert made.predict(rows, precision="f32")["score"].to_pylist() == pytest.approx(
        rows["label"].to_pylist(), abs=1e-6
    )


def test_without_a_bound_int8_is_not_tried(candidate: Artifact, rows: pa.Table, tmp_path: Path) -> None:
    found = step(candidate, rows, tmp_path, bound=None).run(None)
    assert found.summary == "scores in f32: int8 was not tried, without a bound"
    assert (found.metrics, found.left(Quantised).precision) == ({}, "f32")
