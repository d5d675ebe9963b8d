"""Train one member of an ensemble on its own bag of the training rows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pyspark.sql import SparkSession

from dlcore import AveragePrecision, EveryEpochs, Training, Trigger
from pipelines.binary import sections
from pipelines.binary.frames.bag import Bag
from pipelines.binary.frames.split import Frames
from pipelines.binary.models.ensemble import Member
from pipelines.binary.models.fitting import Fitting, Setting
from pipelines.fit import Fit, content
from pipelines.outcome import Outcome, Rows

JUDGE = EveryEpochs(number=2)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Draw ``bag`` from the training rows of ``frames``, fit it with ``workers`` Spark tasks, and write the member to ``into``.

    ``training`` makes the training for the number of rows drawn; it and the network follow from ``setting``. Rows are put in
    order first, so the weights are a function of rows, bag and training alone: validation rows are judged by the way, when ``judge``
    says so, and change nothing.
    """

    frames: Frames
    into: Path
    bag: Bag
    fitting: Fitting
    setting: Setting
    training: Callable[[int], Training]
    workers: int
    judge: Trigger = JUDGE

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        counted = self.bag.counted(self.frames.read(spark, "train"))
        drawn = self.bag.balance(counted)
        rows = self.bag.repeated(counted).orderBy(*self.bag.roles.order)
        columns = [*self.frames.features, self.bag.roles.label]
        validation = self.frames.read(spark, "validation").select(columns)
        fitted = self.fit(drawn.drawn_rows).on(rows.select(columns), validation)
        last = fitted.history[-1]
        name = f"member {self.bag.member}"
        return Outcome(
            summary=f"{name}, {self.setting['network']}, fitted in {last.step} steps over {drawn.drawn_rows:,} drawn rows "
            f"with {drawn.drawn_positives:,} positives, loss {last.loss:.4f}",
            rows=Rows(taken=self.frames.rows("train"), given=drawn.rows),
            metrics={"loss": last.loss, "rows_per_s": last.rows_per_s, "seconds": last.seconds}
            | {name: float(count) for name, count in asdict(drawn).items()},
            result=Member(
                folder=self.into,
                network=self.setting["network"],
                features=len(self.frames.features),
                arguments=self.fitting.arguments(self.setting),
                balance=drawn,
            ),
            sections=(sections.learned(name, fitted.history),),
        )

    def fit(self, rows: int) -> Fit:
        return Fit(
            training=replace(self.training(rows), validate=self.judge, metrics=(AveragePrecision(),)),
            features=self.frames.features,
            label=self.bag.roles.label,
            workers=self.workers,
            into=self.into,
            identity=f"{self.bag} {content(self.frames.path('train'))}",
        )
