"""Judging a table's rows before anybody else sees them: a step stages its drafts, judges each whole, and only then commits."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame

from features.drift import Profile, drift
from infra import expectations
from infra.expectations import Expectation, Finding, row_count
from infra.tables.hive import Draft
from pipelines import sections
from pipelines.outcome import Outcome, StepFailed
from pipelines.section import Section


class GateFailed(StepFailed):
    """Rows break an expectation, or have drifted too far: they were discarded, and what stood before still stands."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was found about the rows that ``subject`` names; ``failed`` is the sentence of what they break, empty for good rows."""

    subject: str
    findings: tuple[Finding, ...]
    drifts: Mapping[str, float] = field(default_factory=dict)
    drifted: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Judges rows by ``expectations`` and by how many there must be; ``key`` names the rows that break one.

    ``profile`` is the training profile that columns are compared with (none: not compared); a column has
    drifted where its stability index passes ``drift_limit``, which warns, or fails the rows if ``stop_on_drift``.
    """

    expectations: Sequence[Expectation]
    key: Sequence[str]
    profile: Profile | None = None
    drift_limit: float = 0.25
    stop_on_drift: bool = False

    def __post_init__(self) -> None:
        if not self.expectations:
            raise ValueError("Judge.expectations needs at least one, got none")
        if self.drift_limit <= 0:
            raise ValueError(f"Judge.drift_limit must be positive, got {self.drift_limit}")

    def judged(self, draft_rows: DataFrame, *, count: int, subject: str) -> Judgement:
        """Judge rows of which there must be ``count``."""
        rows = draft_rows.persist()
        try:
            rules = [*self.expectations, row_count(count)]
            findings = tuple(expectations.evaluate(rows, rules, key=self.key))
            broken = [str(finding) for finding in findings if not finding.success]
            drifts = drift(rows, self.profile) if self.profile and not broken else {}
        finally:
            rows.unpersist()
        drifted = tuple(self._drifted(name, index) for name, index in drifts.items() if index > self.drift_limit)
        failed = _sentence(subject, broken or (drifted if self.stop_on_drift else ()))
        return Judgement(subject=subject, findings=findings, drifts=drifts, drifted=drifted, failed=failed)

    def draft(self, draft: Draft) -> Judgement:
        """Judge a draft, of which every row that was written must be there."""
        written, rows = draft.partition, draft.rows(draft.pointer.spark).drop("ds")
        return self.judged(rows, count=written.rows, subject=f"{written.table} ds={written.ds}")

    def _drifted(self, name: str, index: float) -> str:
        return f"{name} has drifted from the training profile: stability index {index:.2f}, limit {self.drift_limit}"


def settled(outcome: Outcome, drafts: Sequence[Draft], judgements: Sequence[Judgement]) -> Outcome:
    """Commit every draft if all that was judged is good; else discard them all and raise ``GateFailed``.

    Either way the outcome holds every finding.
    """
    found = replace(
        outcome,
        metrics={**outcome.metrics, **_metrics(judgements)},
        warnings=(*outcome.warnings, *[warning for judgement in judgements for warning in judgement.drifted]),
        sections=(*outcome.sections, *[_section(judgement) for judgement in judgements]),
    )
    if failed := next((judgement.failed for judgement in judgements if judgement.failed), ""):
        _discard(drafts, failed)
        raise GateFailed(failed, replace(found, failed=failed))
    return replace(found, partitions=tuple(draft.commit() for draft in drafts))


@contextmanager
def drafting() -> Iterator[list[Draft]]:
    """The drafts of a step, to be filled as they are staged; what fails meanwhile leaves none.

    A later writer of the same partition may remove a draft: then that is the cause to name.
    """
    drafts: list[Draft] = []
    try:
        yield drafts
    except Exception as error:
        _discard(drafts, str(error).partition("\n")[0])
        for draft in drafts:
            draft.check()
        raise


def _discard(drafts: Sequence[Draft], reason: str) -> None:
    for draft in drafts:
        draft.discard(reason)


def _sentence(subject: str, failed: Sequence[str]) -> str:
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{subject}: {failed[0]}{more}" if failed else ""


def _section(judgement: Judgement) -> Section:
    broken = sum(not finding.success for finding in judgement.findings)
    summary = f"{broken} of {len(judgement.findings)} expectations are broken" if broken else "every expectation holds"
    return sections.judged(judgement.subject, summary, judgement.findings, judgement.drifts)


def _metrics(judgements: Sequence[Judgement]) -> dict[str, float]:
    return {
        "expectations": sum(len(judgement.findings) for judgement in judgements),
        "drifted": sum(len(judgement.drifted) for judgement in judgements),
    }
