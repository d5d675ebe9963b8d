"""Quantise a candidate: its OpenVINO IR, in int8 too where the metric stays within a bound, and in which precision it is to be scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyspark.sql import SparkSession

from dlcore import Artifact, Metric, QuantisationRefused, add_ir, quantize
from dlcore.scoring.quantizing import REPORT
from pipelines.outcome import Outcome, Rows
from pipelines.section import Column, Line, Listing, Part, Section, Text

if TYPE_CHECKING:
    from dlcore.data.fields import Tensors
    from dlcore.data.sources import Data

Precision = Literal["f32", "int8"]
DETAIL = "precision"
"""Where an artifact's details say how it is to be scored."""


def precision(artifact: Artifact) -> Precision | None:
    """What an artifact is to be scored in; None: by torch, as those that were made before there was a choice."""
    found: Precision | None = artifact.details.get(DETAIL)
    return found


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The artifact that evaluation wrote, which quantising takes up."""

    folder: Path
    version: str


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The artifact that publishing takes up, and what it is to be scored in."""

    folder: Path
    version: str
    precision: Precision


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What was chosen anew on predictions in a precision: details of the artifact; the rest is for the outcome."""

    details: Mapping[str, Any] = field(default_factory=dict)
    rows: Rows | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()


Choose = Callable[[Artifact, Precision], Chosen]
"""Chooses what depends on how exactly the artifact, which has the IR by now, predicts: a threshold, say."""


def nothing(artifact: Artifact, precision: Precision) -> Chosen:
    return Chosen()


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The artifact with its IRs, what it scores in and the sentence that says why; the figures of int8, where it was tried."""

    artifact: Artifact
    precision: Precision
    why: str
    before: float | None = None
    after: float | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Quantise:
    """Write the artifact of ``candidate`` to ``into`` with its IRs, and with the precision that it is to be scored in.

    That is int8 where ``metric`` on the rows of ``validation`` gets worse by no more than ``bound``, in its own unit, than in fp32;
    else f32, which is no failure: the outcome says both figures. Without a bound int8 is not tried. It is calibrated on rows of
    ``calibration``. ``load`` is ``Artifact.load`` with the code of the app's models; ``choose`` chooses anew what the precision bears on.
    """

    candidate: Path
    into: Path
    load: Callable[[str], Artifact]
    calibration: Callable[[SparkSession | None], Data]
    validation: Callable[[SparkSession | None], Data]
    label: Tensors
    metric: Metric
    bound: float | None
    choose: Choose = nothing

    def run(self, spark: SparkSession | None) -> Outcome:
        validation = self.validation(spark)
        exported = add_ir(self.load(str(self.candidate)), example=validation, folder=str(self.into))
        tried = self.tried(exported, spark, validation)
        chosen = self.choose(tried.artifact, tried.precision)
        made = tried.artifact.with_details({**chosen.details, DETAIL: tried.precision})
        return Outcome(
            summary=tried.why,
            rows=chosen.rows,
            metrics={**self.metrics(tried), **chosen.metrics},
            result=Quantised(folder=self.into, version=made.id, precision=tried.precision),
            facts={"Model": made.id[:12], "Scored in": tried.precision},
            sections=(self.section(tried, chosen),),
        )

    def tried(self, exported: Artifact, spark: SparkSession | None, validation: Data) -> Tried:
        if self.bound is None:
            return Tried(artifact=exported, precision="f32", why="scores in f32: int8 was not tried, without a bound")
        try:
            made = self.quantised(exported, self.calibration(spark), validation, self.bound)
        except QuantisationRefused as refused:
            why = f"scores in f32: int8 was refused, {refused}"
            return Tried(artifact=exported, precision="f32", why=why, before=refused.before, after=refused.after)
        report = json.loads(made.read(REPORT))
        figures = {"before": report["before"], "after": report["after"]}
        return Tried(artifact=made, precision="int8", why=self.accepted(report), report=report, **figures)

    def quantised(self, exported: Artifact, calibration: Data, validation: Data, bound: float) -> Artifact:
        return quantize(
            exported,
            calibration=calibration,
            validation=validation,
            label=self.label,
            metric=self.metric,
            bound=bound,
        )

    def accepted(self, report: Mapping[str, Any]) -> str:
        return (
            f"scores in int8: {self.named} is {report['after']:.4f} on {report['rows']['validation']:,} validation rows, "
            f"{report['before']:.4f} in fp32, within the bound of {self.bound:g}; "
            f"{len(report['in_float'])} of {report['layers']} layers stay in float"
        )

    @property
    def named(self) -> str:
        return self.metric.name.replace("_", " ")

    def metrics(self, tried: Tried) -> dict[str, float]:
        if tried.before is None or tried.after is None:
            return {}
        found: dict[str, float] = {f"{self.metric.name}_f32": tried.before, f"{self.metric.name}_int8": tried.after}
        if report := tried.report:
            found |= {f"{name}_bytes": size for name, size in report["bytes"].items()}
            found |= {"layers": report["layers"], "layers_in_float": len(report["in_float"])}
        return found

    def section(self, tried: Tried, chosen: Chosen) -> Section:
        parts: list[Part] = [Text(text=f"The model {tried.why}.")]
        if tried.before is not None and tried.after is not None:
            parts.append(self.figures(tried))
        if kept := tried.report.get("in_float"):
            lines = tuple(Line(cells=(name,)) for name in kept)
            title = f"{len(kept)} of {tried.report['layers']} layers that stay in float"
            columns = (Column(title="Layer", style="code"),)
            parts.append(Listing(title=title, columns=columns, lines=lines, folded=True))
        return Section(heading="Quantisation", place=45, parts=(*parts, *chosen.parts))

    def figures(self, tried: Tried) -> Listing:
        """The metric and the size of the weights in fp32 and in int8, of which nothing was kept where it was refused."""
        sizes = tried.report.get("bytes", {})
        found = {"f32": ("fp32", tried.before), "int8": ("int8", tried.after)}
        return Listing(
            columns=(
                Column(title="On the same validation rows"),
                Column(title=self.named.capitalize(), style="number"),
                Column(title="Weights, kB", style="number"),
            ),
            lines=tuple(
                Line(
                    cells=(title, f"{figure:.4f}", f"{sizes[name] / 1000:,.1f}" if sizes else ""),
                    own=name == tried.precision,
                )
                for name, (title, figure) in found.items()
            ),
        )
