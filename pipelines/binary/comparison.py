"""Models on the same rows, and what the report shows of them: figures, ranking, decisions, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from pipelines.binary.frames.roles import Words
from pipelines.binary.frames.sample import in_words
from pipelines.binary.measures import charts, curves
from pipelines.binary.measures.figures import Bin, Confusion, reliability
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Cost
from pipelines.section import Card, Column, Line, Listing, Plot, Section, Text

COLUMNS = {
    "average_precision": ("Average precision", 4),
    "recall_at_precision_90": ("Recall at precision 0.9", 3),
    "recall_at_precision_80": ("Recall at precision 0.8", 3),
    "roc_auc": ("ROC area", 4),
    "brier": ("Brier score", 6),
    "calibration_error": ("Calibration error", 5),
}
LOWER_IS_BETTER = ("brier", "calibration_error")
HEADLINES = ("average_precision", "recall_at_precision_90", "recall_at_precision_80")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Models on the same rows, our own first; each decides at its own threshold from validation rows.

    ``left_out`` says of the parts that are samples how many rows are not in them.
    """

    models: Sequence[Rated]
    cost: Cost
    words: Words
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def own(self) -> Rated:
        return next(each for each in self.models if each.own)

    def decided(self, model: Rated) -> Confusion:
        """What the model's threshold of validation rows does on test rows."""
        return Confusion.of(model.test, self.cost.threshold(model.validation), self.cost)

    def result(self) -> Section:
        return Section(
            heading="Result", place=10, cards=self._cards(), parts=(self._figures(), Text(text=self._protocol()))
        )

    def _cards(self) -> tuple[Card, ...]:
        """The figures to look at first, each beside the best of the others."""
        own = self.decided(self.own)
        note = f"cost {own.cost:,.0f} with review, {own.cost_without_review:,.0f} without"
        shown = [
            Card(name=COLUMNS[name][0], value=f"{getattr(self.own.figures, name):.3f}", note=self._rival(name))
            for name in HEADLINES
        ]
        return (*shown, Card(name="Cost saved", value=f"{own.saved:.0%}", note=note))

    def _rival(self, name: str) -> str:
        others = [each for each in self.models if each.rival]
        if not others:
            return "no baseline"
        best = max(others, key=lambda each: float(getattr(each.figures, name)))
        return f"best baseline {getattr(best.figures, name):.3f}, {best.title}"

    def _figures(self) -> Listing:
        """One line a model, our own first, the best value of each column marked."""
        best = {
            name: (min if name in LOWER_IS_BETTER else max)(getattr(each.figures, name) for each in self.models)
            for name in COLUMNS
        }
        ranked = sorted(self.models, key=lambda each: (not each.own, -each.figures.average_precision))
        return Listing(
            columns=(
                Column(title="On the same test rows"),
                *(Column(title=title, style="number") for title, _ in COLUMNS.values()),
            ),
            lines=tuple(_figures_of(each, best) for each in ranked),
        )

    def _protocol(self) -> str:
        test, validation = (
            f"{in_words(len(rows.label), self.left_out.get(part, 0))} with {rows.positives:,} {self.words.positives}"
            for part, rows in (("test", self.own.test), ("validation", self.own.validation))
        )
        return (
            f"Rows are split by time. Test: the last {test}, on which nothing is chosen; calibration and thresholds come from "
            f"validation: the {validation} before them; all fitting is done on earlier rows."
        )

    def ranking(self) -> Section:
        return Section(
            heading="Ranking",
            place=20,
            text=f"How well each model ranks {self.words.positives} above {self.words.negatives}. Precision and recall matter "
            f"here: with few {self.words.positives} even a poor model's ROC area looks high, so its horizontal axis is "
            "logarithmic.",
            parts=(
                Plot(title="Precision by recall", figure=charts.precision_by_recall(self.models)),
                Plot(title="ROC", figure=charts.roc(self.models)),
            ),
        )

    def decision(self) -> Section:
        own = self.decided(self.own)
        scores = curves.histogram(self.own.test)
        return Section(
            heading="Decision",
            place=30,
            text=f"A missed one of the {self.words.positives} costs its value, a review {self.cost.review:g}. The threshold "
            f"{own.threshold:.4f} costs least on validation rows; here is what it does on test rows.",
            parts=(
                Plot(title="Cost by threshold", figure=charts.cost_by_threshold(self.models, self.cost, own)),
                Plot(
                    title="Scores",
                    figure=charts.histogram(scores, own.threshold, (self.words.negatives, self.words.positives)),
                ),
                self._confusions(),
            ),
        )

    def _confusions(self) -> Listing:
        """What each model's decisions do on test rows."""
        found = sorted(((each, self.decided(each)) for each in self.models), key=lambda e: (not e[0].own, e[1].cost))
        names = ("Threshold", "Caught", "Missed", "False alarms", "Passed", "Precision", "Recall", "Cost")
        return Listing(
            columns=(
                Column(title="Each at its own threshold from validation rows"),
                *(Column(title=name, style="number") for name in names),
            ),
            lines=tuple(Line(cells=(each.title, *_decided(made)), own=each.own) for each, made in found),
        )

    def calibration(self, slope: float, intercept: float) -> Section:
        bins = reliability(self.own.test)
        return Section(
            heading="Calibration",
            place=40,
            text="Whether a probability can be taken at its word: members corrected for their bags' base rate, averaged, then "
            f"log-odds × {slope:.3f} {intercept:+.3f}, fitted on validation rows.",
            parts=(
                Plot(
                    title=f"Share of {self.words.positives} by probability",
                    figure=charts.reliability(bins, self.words.positives),
                ),
                Listing(
                    title="Bins",
                    half=True,
                    columns=(
                        Column(title="Probability"),
                        *(
                            Column(title=name, style="number")
                            for name in ("Rows", self.words.positives.capitalize(), "Mean", "Share")
                        ),
                    ),
                    lines=tuple(Line(cells=_binned(each)) for each in bins),
                ),
            ),
        )


def _figures_of(model: Rated, best: Mapping[str, float]) -> Line:
    figures = asdict(model.figures)
    cells = [f"{figures[name]:.{digits}f}" for name, (_, digits) in COLUMNS.items()]
    marked = tuple(at for at, name in enumerate(COLUMNS, start=1) if figures[name] == best[name])
    return Line(cells=(model.title, *cells), best=marked, own=model.own)


def _decided(found: Confusion) -> tuple[str, ...]:
    counts = (found.true_positives, found.false_negatives, found.false_positives, found.true_negatives)
    shares = (f"{found.precision:.3f}", f"{found.recall:.3f}")
    return (f"{found.threshold:.4f}", *(f"{count:,}" for count in counts), *shares, f"{found.cost:,.0f}")


def _binned(found: Bin) -> tuple[str, ...]:
    span = f"{found.low:g} to {found.high:g}"
    return (span, f"{found.rows:,}", f"{found.positives:,}", f"{found.probability:.5f}", f"{found.rate:.5f}")
