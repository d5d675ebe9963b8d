"""Evaluate the ensemble against the baselines, and write the candidate that may be published."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import SparkSession
from torch import Tensor

from dlcore import Artifact, Output
from infra.tables.hive import Partition
from pipelines.binary import sections
from pipelines.binary.baselines import Baseline
from pipelines.binary.comparison import Comparison
from pipelines.binary.frames.preparation import FILES
from pipelines.binary.frames.roles import Roles, Words
from pipelines.binary.frames.seen import Seen
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import figures, predictions
from pipelines.binary.measures.daily import by_day, drift_by_day
from pipelines.binary.measures.importance import Importance, drawn, permuted
from pipelines.binary.measures.raised import Flagged, raised
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Cost, Scored
from pipelines.binary.models.calibration import platt
from pipelines.binary.models.ensemble import MODEL, Ensemble, Member, assembled, averaged
from pipelines.binary.models.fitting import Network
from pipelines.binary.models.trees import XGBOOST
from pipelines.outcome import Outcome, Rows
from pipelines.quantise import Candidate
from pipelines.section import Section

PARTS = ("validation", "test")


@dataclass(frozen=True, kw_only=True)
class Given:
    """The rows of one part, and every member's log-odds for them at the base rate before its draw."""

    rows: pa.Table
    members_NM: Tensor

    def scored(self, probability_N: Tensor, roles: Roles) -> Scored:
        return predictions.scored(self.rows, probability_N.numpy(), roles)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What the ensemble is made of: its calibration, its members' own average precisions, what its features weigh on how many rows."""

    calibration: tuple[float, float]
    alone: list[float]
    important: list[Importance]
    important_rows: int


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Average ``members``, calibrate and choose the threshold on validation rows, measure on test rows, write ``into``.

    The artifact is a function of rows and settings alone: neither run nor hour is in it.
    """

    frames: Frames
    members: tuple[Member, ...]
    baselines: tuple[Baseline, ...]
    into: Path
    networks: Mapping[str, Network]
    roles: Roles
    cost: Cost
    partitions: tuple[Partition, ...]
    versions: Mapping[str, str]
    seed: int
    words: Words = field(default_factory=Words)
    importance_rows: int = 10_000
    flagged_rows: int = 25

    def run(self, spark: SparkSession | None) -> Outcome:
        ensemble = assembled(self.networks, self.members)
        given = {part: self.given(ensemble, part) for part in PARTS}
        for part in PARTS:
            self.refuse_other_rows(part, given[part].rows)
        self.calibrate(ensemble, given["validation"])
        compared = self.compared(ensemble, given)
        candidate = self.candidate(ensemble, compared)
        rows = Rows(taken=self.frames.rows(*PARTS), given=sum(len(each.rows) for each in given.values()))
        found = self.outcome(compared, candidate, rows, self.explained(ensemble, given))
        more = (*self.daily(compared), *self.flagged(ensemble, compared, given["test"]))
        return replace(found, sections=(*found.sections, *more))

    def outcome(self, compared: Comparison, candidate: Artifact, rows: Rows, explained: Explained) -> Outcome:
        said = self.sentence(compared)
        return Outcome(
            summary=said,
            headline=said,
            rows=rows,
            metrics=asdict(compared.own.figures) | {"member_average_precision": float(np.mean(explained.alone))},
            facts=self.facts(compared, candidate),
            warnings=behind(compared),
            result=Candidate(folder=self.into, version=candidate.id),
            sections=(
                compared.result(),
                compared.ranking(),
                compared.decision(),
                compared.calibration(*explained.calibration),
                sections.members(
                    explained.alone,
                    compared.own.figures.average_precision,
                    explained.important,
                    explained.important_rows,
                ),
            ),
        )

    def daily(self, compared: Comparison) -> tuple[Section, ...]:
        """Every model's test rows and the features' drift, day by day."""
        days = {model.title: by_day(model.test) for model in compared.models}
        drift = drift_by_day(self.frames.path("test"), self.roles.time, self.frames.profile)
        return sections.daily(days, drift, own=compared.own.title)

    def flagged(self, ensemble: Ensemble, compared: Comparison, test: Given) -> tuple[Section, ...]:
        """The test rows that score highest, with what raised each."""
        threshold = self.cost.threshold(compared.own.validation)
        probability_N = ensemble.probability(test.members_NM.T).numpy()
        highest = np.argsort(-probability_N, kind="stable")[: self.flagged_rows]
        chosen = highest[probability_N[highest] >= threshold]
        names = self.frames.features
        rows_NF = predictions.tensor(predictions.at(self.frames.path("test"), chosen, names), names)
        why = raised(ensemble.log_odds, rows_NF, self.frames.statistics.mean, names)
        rows = test.rows.take(chosen).to_pylist()
        found = [
            Flagged(
                key=" ".join(str(row[name]) for name in self.roles.key),
                probability=float(probability),
                label=int(row[self.roles.label]),
                raised=each,
            )
            for row, probability, each in zip(rows, probability_N[chosen], why, strict=True)
        ]
        return sections.flagged(found, threshold)

    def explained(self, ensemble: Ensemble, given: Mapping[str, Given]) -> Explained:
        slope, intercept = ensemble.calibration.tolist()
        names, label_N = self.frames.features, given["validation"].rows[self.roles.label].to_numpy().astype(np.int64)
        places_N = drawn(label_N, self.importance_rows, seed=self.seed)
        rows_NF = predictions.tensor(predictions.at(self.frames.path("validation"), places_N, names), names)
        return Explained(
            calibration=(slope, intercept),
            alone=self.alone(given["test"]),
            important=permuted(ensemble.log_odds, rows_NF, label_N[places_N], names, seed=self.seed),
            important_rows=len(places_N),
        )

    def given(self, ensemble: Ensemble, part: str) -> Given:
        rows, members_NM = predictions.rate(
            self.frames.path(part), self.frames.features, self.roles.kept, lambda rows_NF: ensemble.each(rows_NF).T
        )
        return Given(rows=rows, members_NM=members_NM)

    def refuse_other_rows(self, part: str, rows: pa.Table) -> None:
        """Models are compared on the same rows, or not at all."""
        for baseline in self.baselines:
            if not predictions.of_same_rows(baseline.folder / part, rows, self.roles):
                raise ValueError(
                    f"{baseline.title} must have rated the {len(rows):,} {part} rows of {self.frames.folder}, got other rows in "
                    f"{baseline.folder / part}; run the step that fits the baselines again"
                )

    def calibrate(self, ensemble: Ensemble, given: Given) -> None:
        """Fit the ensemble's slope and intercept on the rows of one part."""
        log_odds_N = averaged(given.members_NM.T).numpy()
        fit = platt(log_odds_N, given.rows[self.roles.label].to_numpy().astype(np.int64))
        ensemble.calibration.copy_(torch.tensor(fit, dtype=torch.float64))

    def compared(self, ensemble: Ensemble, given: Mapping[str, Given]) -> Comparison:
        """The ensemble and the baselines on the same validation and test rows."""
        scores = {
            part: each.scored(ensemble.probability(each.members_NM.T), self.roles) for part, each in given.items()
        }
        own = Rated(title="Ensemble", own=True, validation=scores["validation"], test=scores["test"])
        others = [each.rated(self.roles) for each in self.baselines]
        mixed = [own.with_ranks_of(each) for each in others if each.title == XGBOOST.title]
        left_out = {part: self.frames.parts[part].left_out for part in PARTS}
        return Comparison(models=(own, *mixed, *others), cost=self.cost, words=self.words, left_out=left_out)

    def alone(self, given: Given) -> list[float]:
        """Each member's own average precision."""
        each = (given.scored(torch.sigmoid(member_N), self.roles) for member_N in given.members_NM.T)
        return [figures.average_precision(scored) for scored in each]

    def candidate(self, ensemble: Ensemble, compared: Comparison) -> Artifact:
        """Write the artifact that ``publish`` takes up: all that scoring and a later comparison need."""
        names, prepared = list(self.frames.features), self.frames.prepared
        validation = {"fingerprint": predictions.fingerprint(self.frames.path("validation"))}
        return Artifact.save(
            str(self.into),
            model=MODEL,
            arguments={"members": [member.form for member in self.members]},
            tensors=ensemble.state_dict(),
            features=names,
            outputs={"probability": Output("double")},
            files={FILES: prepared.folder} if prepared else {},
            details={
                "features": names,
                "sources": list(self.frames.sources),
                "sizes": dict(prepared.sizes) if prepared else {},
                "threshold": self.cost.threshold(compared.own.validation),
                "validation": validation | asdict(figures.Figures.of(compared.own.validation)),
                "test": asdict(compared.own.figures),
                "seen": asdict(Seen.of(self.frames)),
                "statistics": asdict(self.frames.statistics),
                "profile": self.frames.profile,
                "data": [partition.content for partition in self.partitions],
                "versions": dict(self.versions),
            },
        )

    def facts(self, compared: Comparison, candidate: Artifact) -> dict[str, str]:
        own = compared.own.figures
        return {
            "Test rows": f"{len(compared.own.test.label):,}",
            "Average precision": f"{own.average_precision:.4f}",
            "Recall at 0.9": f"{own.recall_at_precision_90:.3f}",
            "Recall at 0.8": f"{own.recall_at_precision_80:.3f}",
            "Cost": f"{compared.decided(compared.own).cost:,.0f}",
            "Model": candidate.id[:12],
        }

    def sentence(self, compared: Comparison) -> str:
        own = compared.own.figures
        others = [each for each in compared.models if each.rival]
        ranked = sorted(others, key=lambda each: -each.figures.average_precision)
        beaten = ", ".join(f"{each.title} {each.figures.average_precision:.3f}" for each in ranked)
        return (
            f"average precision {own.average_precision:.3f} on test rows ({beaten or 'no baseline'}), "
            f"recall {own.recall_at_precision_90:.3f} at precision 0.9"
        )


def behind(compared: Comparison) -> tuple[str, ...]:
    """A sentence for each rival that ranks test rows better than our own."""
    own = compared.own.figures.average_precision
    found = [(each.title, each.figures.average_precision) for each in compared.models if each.rival]
    return tuple(
        f"{title} is ahead of the ensemble: average precision {reached:.3f} against {own:.3f}"
        for title, reached in found
        if reached > own
    )
