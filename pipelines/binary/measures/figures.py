"""The figures by which models of rare events are compared: functions of labels and probabilities, never accuracy."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from pipelines.binary.measures.scored import Cost, Scored

BINS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One model on one set of rows; a lower Brier score and calibration error are better, a higher value of the others."""

    average_precision: float
    recall_at_precision_90: float
    recall_at_precision_80: float
    roc_auc: float
    brier: float
    calibration_error: float

    @classmethod
    def of(cls, scored: Scored) -> "Figures":
        return cls(
            average_precision=average_precision(scored),
            recall_at_precision_90=recall_at_precision(scored, 0.9),
            recall_at_precision_80=recall_at_precision(scored, 0.8),
            roc_auc=float(roc_auc_score(scored.label, scored.probability)),
            brier=float(np.mean((scored.probability - scored.label) ** 2)),
            calibration_error=calibration_error(reliability(scored)),
        )


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """What deciding at ``threshold`` does to rows, and what it costs beside no review at all."""

    threshold: float
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    cost: float
    cost_without_review: float

    @classmethod
    def of(cls, scored: Scored, threshold: float, cost: Cost) -> "Confusion":
        flagged, positive = scored.probability >= threshold, scored.label == 1
        hits, reviewed = int((flagged & positive).sum()), int(flagged.sum())
        return cls(
            threshold=threshold,
            true_positives=hits,
            false_negatives=scored.positives - hits,
            false_positives=reviewed - hits,
            true_negatives=int((~flagged & ~positive).sum()),
            cost=float(scored.value[~flagged & positive].sum() + cost.review * reviewed),
            cost_without_review=float(scored.value[positive].sum()),
        )

    @property
    def precision(self) -> float:
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def recall(self) -> float:
        return self.true_positives / (self.true_positives + self.false_negatives)

    @property
    def saved(self) -> float:
        """The share of the cost without review that is saved."""
        return 1 - self.cost / self.cost_without_review if self.cost_without_review else 0.0


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows whose probability lies from ``low`` to ``high``: their mean probability and their share of positives."""

    low: float
    high: float
    rows: int
    positives: int
    probability: float

    @property
    def rate(self) -> float:
        return self.positives / self.rows


def average_precision(scored: Scored) -> float:
    """The area under the precision-recall curve, as a sum of steps."""
    return float(average_precision_score(scored.label, scored.probability))


def recall_at_precision(scored: Scored, precision: float) -> float:
    """The highest recall of any threshold whose precision is at least ``precision``; 0 where none has it."""
    reached, recall, _ = precision_recall_curve(scored.label, scored.probability)
    return float(recall[:-1][reached[:-1] >= precision].max(initial=0.0))


def reliability(scored: Scored) -> list[Bin]:
    """The filled bins of ``BINS``, which are narrow where positives are rare."""
    bins = np.clip(np.searchsorted(BINS, scored.probability, side="right") - 1, 0, len(BINS) - 2)
    filled = [(at, bins == at) for at in range(len(BINS) - 1) if (bins == at).any()]
    return [
        Bin(
            low=BINS[at],
            high=BINS[at + 1],
            rows=int(inside.sum()),
            positives=int(scored.label[inside].sum()),
            probability=float(scored.probability[inside].mean()),
        )
        for at, inside in filled
    ]


def calibration_error(bins: list[Bin]) -> float:
    """The expected calibration error: the bins' distance of probability and rate, weighted by rows."""
    return sum(each.rows * abs(each.probability - each.rate) for each in bins) / sum(each.rows for each in bins)
