"""Evaluate the ensemble against the baselines, and write the candidate that may be published."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import SparkSession
from torch import Tensor, nn

from dlcore import Artifact, Output
from infra.tables.hive import Partition
from pipelines.binary import calibration, importance, measures, predictions
from pipelines.binary.ensemble import Ensemble, assembled, averaged
from pipelines.binary.measures import Cost, Scored
from pipelines.binary.split import recorded
from pipelines.binary.statistics import Statistics
from pipelines.outcome import Outcome, Rows

PARTS = ("validation", "test")
Parts = dict[str, Scored]
Rated = tuple[pa.Table, Tensor]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Average ``members``, calibrate and choose the threshold on validation rows, measure on test rows, write ``into``.

    ``build`` makes the ensemble that Artifact.module will make of ``model`` and ``arguments``; ``baselines`` maps a name to
    the folder of its predictions. The artifact is a function of rows and settings alone: neither run nor hour is in it.
    """

    frame: Path
    members: tuple[Path, ...]
    baselines: Mapping[str, Path]
    titles: Mapping[str, str]
    into: Path
    model: str
    arguments: Mapping[str, Any]
    build: Callable[..., nn.Module]
    features: tuple[str, ...]
    partitions: tuple[Partition, ...]
    versions: Mapping[str, str]
    seed: int
    cost: Cost = field(default_factory=Cost)
    label: str = "fraud"
    amount: str = "amount"
    importance_rows: int = 10_000

    def run(self, spark: SparkSession | None) -> Outcome:
        ensemble = assembled(self.build, self.arguments, self.members)
        rated = {part: self.rated(ensemble, part) for part in PARTS}
        rows = Rows(taken=recorded(self.frame, *PARTS), given=sum(len(table) for table, _ in rated.values()))
        self.refuse_other_rows(rated)
        self.calibrate(ensemble, rated["validation"])
        models = {
            "ensemble": {part: self.scored(each, ensemble.probability(each[1].T)) for part, each in rated.items()}
        }
        models |= {name: read(folder) for name, folder in self.baselines.items()}
        figures = {name: measures.headline(parts["test"]) for name, parts in models.items()}
        threshold = self.cost.threshold(models["ensemble"]["validation"])
        candidate = self.candidate(ensemble, models["ensemble"], threshold)
        members = self.single(rated["test"])
        return Outcome(
            summary=self.sentence(figures),
            rows=rows,
            metrics=figures["ensemble"] | {"threshold": threshold, "member_average_precision": float(np.mean(members))},
            files={"candidate": str(self.into)},
            warnings=self.behind(figures),
            details={
                "models": figures,
                "validation": {name: measures.headline(parts["validation"]) for name, parts in models.items()},
                "titles": dict(self.titles),
                "members": members,
                "plots": {name: self.plots(parts) for name, parts in models.items()},
                "importance": self.important(ensemble),
                "calibration": dict(zip(("slope", "intercept"), ensemble.calibration.tolist(), strict=True)),
                "review_cost": self.cost.review,
                "candidate": candidate.id,
                "rows": {
                    part: {"rows": len(s.fraud), "frauds": int(s.fraud.sum())} for part, s in models["ensemble"].items()
                },
            },
        )

    def rated(self, ensemble: Ensemble, part: str) -> Rated:
        """The rows of one part, and every member's log-odds for them at the base rate before its draw."""
        keep = [*predictions.KEY, self.label, self.amount]
        return predictions.rate(self.frame / part, self.features, keep, lambda rows_NF: ensemble.each(rows_NF).T)

    def refuse_other_rows(self, rated: Mapping[str, Rated]) -> None:
        """Models are compared on the same rows, or not at all."""
        for name, folder in self.baselines.items():
            for part, (rows, _) in rated.items():
                if not predictions.of_same_rows(folder / part, rows):
                    raise ValueError(
                        f"{self.titles[name]} must have rated the {len(rows):,} {part} rows of {self.frame}, got other rows in "
                        f"{folder / part}; run the step that fits the baselines again"
                    )

    def scored(self, rated: Rated, probability_N: Tensor) -> Scored:
        return predictions.scored(rated[0], probability_N.numpy(), label=self.label, amount=self.amount)

    def calibrate(self, ensemble: Ensemble, rated: Rated) -> None:
        """Fit the ensemble's slope and intercept on the rows of one part."""
        rows, members_NM = rated
        log_odds_N = averaged(members_NM.T).numpy()
        fit = calibration.platt(log_odds_N, rows[self.label].to_numpy().astype(np.int64))
        ensemble.calibration.copy_(torch.tensor(fit, dtype=torch.float64))

    def single(self, rated: Rated) -> list[float]:
        """Each member's own average precision."""
        each = [self.scored(rated, torch.sigmoid(member_N)) for member_N in rated[1].T]
        return [measures.average_precision(scored) for scored in each]

    def plots(self, parts: Parts) -> dict[str, Any]:
        """What the report draws of one model; its threshold is chosen on validation rows as the ensemble's is."""
        threshold = self.cost.threshold(parts["validation"])
        return measures.curves(parts["test"], self.cost) | {
            "confusion": measures.confusion(parts["test"], threshold, self.cost),
            "reliability": measures.reliability(parts["test"]),
            "histogram": measures.histogram(parts["test"]),
        }

    def important(self, ensemble: Ensemble) -> list[dict[str, Any]]:
        """Permutation importance on validation rows: all frauds, and normal rows up to ``importance_rows``."""
        rows = pa.Table.from_batches(predictions.batches(self.frame / "validation", [*self.features, self.label]))
        fraud_N = rows[self.label].to_numpy().astype(np.int64)
        normal = np.random.default_rng(self.seed).permutation(np.flatnonzero(fraud_N == 0))[: self.importance_rows]
        kept = rows.take(np.sort(np.concatenate([np.flatnonzero(fraud_N), normal]))).combine_chunks()
        rows_NF = predictions.tensor(kept, self.features)
        labels_N = kept[self.label].to_numpy().astype(np.int64)
        found = importance.permuted(ensemble.log_odds, rows_NF, labels_N, self.features, seed=self.seed)
        return [asdict(each) for each in found]

    def candidate(self, ensemble: Ensemble, parts: Parts, threshold: float) -> Artifact:
        """Write the artifact that ``publish`` takes up: all that scoring and a later comparison need."""
        validation = {"fingerprint": predictions.fingerprint(self.frame / "validation")} | measures.headline(
            parts["validation"]
        )
        statistics = Statistics.read(self.frame / "statistics.json")
        return Artifact.save(
            str(self.into),
            model=self.model,
            arguments=dict(self.arguments) | {"members": len(self.members)},
            tensors=ensemble.state_dict(),
            features=list(self.features),
            outputs={"probability": Output("double")},
            details={
                "features": list(self.features),
                "threshold": threshold,
                "validation": validation,
                "test": measures.headline(parts["test"]),
                "statistics": asdict(statistics),
                "profile": profile(self.frame),
                "data": [pin(partition) for partition in self.partitions],
                "versions": dict(self.versions),
            },
        )

    def behind(self, figures: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
        """A sentence for each baseline that ranks test rows better than the ensemble."""
        own = figures["ensemble"]["average_precision"]
        ahead = [(name, figures[name]["average_precision"]) for name in self.baselines]
        return tuple(
            f"{self.titles[name]} is ahead of the ensemble: average precision {found:.3f} against {own:.3f}"
            for name, found in ahead
            if found > own
        )

    def sentence(self, figures: Mapping[str, Mapping[str, float]]) -> str:
        ranked = sorted(self.baselines, key=lambda name: -figures[name]["average_precision"])
        beaten = ", ".join(f"{self.titles[name]} {figures[name]['average_precision']:.3f}" for name in ranked)
        own = figures["ensemble"]
        return (
            f"average precision {own['average_precision']:.3f} on test rows ({beaten}), "
            f"recall {own['recall_at_precision_90']:.3f} at precision 0.9"
        )


def read(folder: Path) -> Parts:
    """A baseline's predictions for both parts."""
    return {part: predictions.read(folder / part) for part in PARTS}


def pin(partition: Partition) -> dict[str, Any]:
    """A partition's rows by content; its folder may differ from run to run."""
    return {"table": partition.table, "ds": partition.ds, "fingerprint": partition.fingerprint, "rows": partition.rows}


def profile(frame: Path) -> Any:
    """What later data is compared with, where the split made it."""
    file = frame / "profile.json"
    return json.loads(file.read_text()) if file.exists() else {}
