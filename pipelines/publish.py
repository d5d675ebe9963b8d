"""Publish a candidate: into the registry always, and to champion only if it beats the champion beyond chance on unseen rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from dlcore import Artifact, Metric
from pipelines.outcome import Outcome
from pipelines.registry import Pointers, Registry
from pipelines.section import Section, Text


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Champion and challenger by ``metric`` on ``rows`` rows that neither has seen; ``low`` to ``high`` is where the challenger's
    lead on the champion (challenger - champion) lies with the given ``confidence``.
    """

    metric: Metric
    champion: float
    challenger: float
    low: float
    high: float
    confidence: float
    rows: int

    @property
    def beyond_chance(self) -> bool:
        """The rule of promotion: the whole interval of the lead lies on the better side of zero."""
        return self.low > 0 if self.metric.higher_is_better else self.high < 0

    def __str__(self) -> str:
        met = f"{self.metric.name.replace('_', ' ')} {self.challenger:.4f} against the champion's {self.champion:.4f}"
        lead = f"{self.challenger - self.champion:+.4f} ({self.confidence:.0%} interval {self.low:+.4f} to {self.high:+.4f})"
        return f"{met} on {self.rows:,} rows that neither has seen, a difference of {lead}"


class Incomparable(ValueError):
    """Champion and challenger cannot meet; the sentence says why."""


Compare = Callable[[SparkSession | None, Artifact, Artifact], Lead]
"""Champion and challenger on rows that neither has seen; ``Incomparable`` where there are none."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """The version that a candidate became, the champion after it, and whether this run moved it."""

    version: str
    champion: str | None
    moved: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the candidate is to be champion, why, and the lead where they met."""

    promoted: bool
    reason: str
    lead: Lead | None = None


@dataclass(frozen=True, kw_only=True)
class Publish:
    """Register the artifact in ``candidate`` and let it meet the champion by ``compare``.

    Within chance the champion keeps its place; the ``keep`` latest versions stay in the registry. A second try that finds the
    champion moved by the first says so as the first did.
    """

    candidate: Path
    registry: Registry
    compare: Compare
    run_id: str
    keep: int = 50

    def run(self, spark: SparkSession | None) -> Outcome:
        artifact = Artifact.load(str(self.candidate))
        with self.registry.changing():
            version = self.registry.add(artifact)
            verdict = self.judged(spark, artifact)
            if verdict.promoted:
                self.registry.promote(version, by=self.run_id, reason=verdict.reason)
            pointers = self.registry.pointers()
            self.registry.retire(keep=self.keep)
        moved = self.moved(pointers, version)
        said = f"{'champion moved to' if moved else 'champion stays, registered'} {version[:12]}: {verdict.reason}"
        lead = verdict.lead
        return Outcome(
            summary=said,
            metrics={"challenger": lead.challenger, "champion": lead.champion} if lead else {},
            result=Published(version=version, champion=pointers.champion, moved=moved),
            facts={"Model": version[:12] + (" (became champion)" if moved else "")},
            sections=(Section(heading="Result", place=10, parts=(Text(strong="Publishing.", text=f"{said}."),)),),
        )

    def moved(self, pointers: Pointers, version: str) -> bool:
        """Whether this run made ``version`` champion, in this try or an earlier one."""
        return any((move.after, move.by) == (version, self.run_id) for move in pointers.moves[-1:])

    def judged(self, spark: SparkSession | None, candidate: Artifact) -> Verdict:
        pointers = self.registry.pointers()
        if pointers.champion is None:
            return Verdict(promoted=True, reason="it is the first version")
        if pointers.champion == candidate.id:
            moved = self.moved(pointers, candidate.id)
            return Verdict(promoted=False, reason=pointers.moves[-1].reason if moved else "it is the champion already")
        try:
            lead = self.compare(spark, self.registry.champion(), candidate)
        except Incomparable as reason:
            return Verdict(promoted=False, reason=f"it could not meet the champion: {reason}")
        if pointers.champion in pointers.pinned:
            return Verdict(promoted=False, reason=f"{lead}, but the champion is pinned", lead=lead)
        within = "" if lead.beyond_chance else ", which may be chance"
        return Verdict(promoted=lead.beyond_chance, reason=f"{lead}{within}", lead=lead)
