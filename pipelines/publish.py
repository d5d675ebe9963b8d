"""Publish a candidate: into the registry always, and to champion only if it beats the champion on the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession
from torch import nn

from dlcore import Artifact
from pipelines.binary import measures, predictions
from pipelines.outcome import Outcome
from pipelines.registry import Pointers, Registry


@dataclass(frozen=True, kw_only=True)
class Publish:
    """Register the artifact in ``candidate`` and compare it with the champion by average precision on ``validation``.

    A champion that was measured on other validation rows is measured again on these. A tie leaves it in place. A second try
    that finds the champion moved by the first says so as the first did.
    """

    candidate: Path
    validation: Path
    registry: Registry
    models: Mapping[str, Callable[..., nn.Module]]
    run_id: str
    label: str = "fraud"
    amount: str = "amount"

    def run(self, spark: SparkSession | None) -> Outcome:
        artifact = Artifact.load(str(self.candidate))
        with self.registry.changing():
            version = self.registry.add(artifact)
            better, sentence, figures = self.judged(artifact)
            if better:
                self.registry.promote(version, by=self.run_id, reason=sentence)
            pointers = self.registry.pointers()
        moved = self.moved(pointers, version)
        return Outcome(
            summary=f"{'champion moved to' if moved else 'champion stays, registered'} {version[:12]}: {sentence}",
            metrics=figures,
            files={"version": str(self.registry.folder / "versions" / version)},
            details={"version": version, "champion": pointers.champion, "moved": moved, "reason": sentence},
        )

    def moved(self, pointers: Pointers, version: str) -> bool:
        """Whether this run made ``version`` champion, in this try or an earlier one."""
        return any((move.after, move.by) == (version, self.run_id) for move in pointers.moves[-1:])

    def judged(self, candidate: Artifact) -> tuple[bool, str, dict[str, float]]:
        """Whether the candidate is to be champion, why, and the figures compared."""
        challenger = candidate.details["validation"]["average_precision"]
        figures = {"candidate_average_precision": challenger}
        pointers = self.registry.pointers()
        if pointers.champion is None:
            return True, f"the first version, average precision {challenger:.4f} on validation rows", figures
        if pointers.champion == candidate.id:
            last = pointers.moves[-1].reason if self.moved(pointers, candidate.id) else "it is the champion already"
            return False, last, figures
        champion = self.measured(self.registry.champion(), candidate.details["validation"]["fingerprint"])
        figures["champion_average_precision"] = champion
        compared = f"{challenger:.4f} against the champion's {champion:.4f} on the same validation rows"
        if pointers.champion in pointers.pinned:
            return False, f"average precision {compared}, but the champion is pinned", figures
        return challenger > champion, f"average precision {compared}", figures

    def measured(self, champion: Artifact, fingerprint: str) -> float:
        """The champion's average precision on the validation rows, measured anew where it was measured on others."""
        known = champion.details["validation"]
        if known["fingerprint"] == fingerprint:
            return float(known["average_precision"])
        module = champion.module(self.models)
        keep = [*predictions.KEY, self.label, self.amount]
        rows, probability_N = predictions.rate(self.validation, champion.details["features"], keep, module)
        scored = predictions.scored(rows, probability_N.numpy(), label=self.label, amount=self.amount)
        return measures.average_precision(scored)
