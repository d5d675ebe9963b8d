"""Train one member of an ensemble on its own bag of the training rows."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from dlcore import Training
from dlcore.run.describe import settings
from pipelines.binary.bag import Bag, balance
from pipelines.binary.split import recorded
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Train:
    """Draw ``bag`` from ``frame``/train, fit it with ``workers`` Spark tasks, and write the member to ``into``.

    ``training`` makes the training for the number of rows drawn. ``into`` gets ``weights.safetensors``, ``history.json``
    and ``balance.json``, by which the ensemble corrects for the draw. Rows are put in order first, so the weights are a
    function of rows, bag and training alone. A fit that broke off goes on from its last commit, unless its rows or settings
    were others than now.
    """

    frame: Path
    into: Path
    bag: Bag
    training: Callable[[int], Training]
    features: tuple[str, ...]
    workers: int
    order: tuple[str, ...] = ("time_s", "source_file", "source_line")

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        counted = self.bag.counted(spark.read.parquet(str(self.frame / "train")))
        drawn = balance(counted, self.bag.label)
        read = Rows(taken=recorded(self.frame, "train"), given=drawn.rows)
        rows = self.bag.repeated(counted).orderBy(*self.order).select(*self.features, self.bag.label)
        training = self.training(drawn.drawn_rows)
        fitted = training.fit(
            rows,
            features=self.features,
            label=self.bag.label,
            workers=self.workers,
            folder=str(self.into / "training" / self.named(training)),
        )
        fitted.save(str(self.into))
        (self.into / "balance.json").write_text(json.dumps(asdict(drawn), indent=1))
        shutil.rmtree(self.into / "training")
        last = fitted.history[-1]
        return Outcome(
            summary=f"member {self.bag.member} fitted in {last.step} steps over {drawn.drawn_rows:,} drawn rows "
            f"with {drawn.drawn_frauds:,} frauds, loss {last.loss:.4f}",
            rows=read,
            metrics={"loss": last.loss, "rows_per_s": last.rows_per_s, "seconds": last.seconds}
            | {name: float(count) for name, count in asdict(drawn).items()},
            files={"member": str(self.into)},
            details={"history": [asdict(record) for record in fitted.history], "member": self.bag.member},
        )

    def named(self, training: Training) -> str:
        """A name of all that the fit depends on; what broke off under another name would be refused for good."""
        digest = hashlib.sha256(
            f"{settings(training, data=str(self.features), workers=self.workers)} {self.bag}".encode()
        )
        for file in sorted((self.frame / "train").glob("*.parquet")):
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()[:16]
