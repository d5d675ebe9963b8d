"""Card transactions simulated on Spark, as landing files a day: ``python -m apps.handbook.simulation [--days N] [--scale X]``.

The rules are those of the Fraud Detection Handbook (Le Borgne et al., 2022); the generator is our own. Customers and terminals lie in a
plane, and a customer uses the terminals within a radius. Every draw is by a generator seeded by ``seed`` and what it is of, so the rows
do not depend on how Spark spreads them, and none of them passes the driver.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from apps.handbook.columns import FIRST_DAY, LABEL_TYPES, TYPES
from apps.handbook.drawing import Compromised, Customer, transactions
from features.expressions import DAY_S
from infra import settings as platform
from infra import spark as engine
from infra.tables import hadoop

SCHEMA = "transaction_id bigint, second bigint, customer_id bigint, terminal_id bigint, amount double, fraud int"


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """``customers`` and ``terminals`` in a square of ``side``, for ``days``; the defaults make about 1.75 million transactions."""

    customers: int = 5_000
    terminals: int = 10_000
    side: float = 100.0
    radius: float = 5.0
    days: int = 183
    seed: int = 7

    def __post_init__(self) -> None:
        if min(self.customers, self.terminals, self.days) < 1 or not 0 < self.radius <= self.side:
            raise ValueError(f"a simulation needs customers, terminals, days and a radius within its side, got {self}")

    @classmethod
    def scaled(cls, scale: float, *, days: int, seed: int) -> "Simulation":
        """``scale`` times the customers and terminals, as near to each other as they are in the default."""
        return cls(
            customers=round(cls.customers * scale),
            terminals=round(cls.terminals * scale),
            side=cls.side * scale**0.5,
            days=days,
            seed=seed,
        )

    def rows(self, spark: SparkSession) -> DataFrame:
        """Every transaction with its label; the second counts from the begin of the first day."""
        compromised = Compromised.drawn(
            seed=self.seed, days=self.days, terminals=self.terminals, customers=self.customers
        )
        seed = self.seed

        def drawn(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            for batch in batches:
                for each in batch.itertuples():
                    yield _frame(
                        Customer(number=each.id, mean=each.mean, rate=each.rate, nearby=each.nearby), compromised, seed
                    )

        return self.nearby(spark).mapInPandas(drawn, SCHEMA)

    def nearby(self, spark: SparkSession) -> DataFrame:
        """Each customer (id, mean, rate) with its terminals within the radius; one without any does nothing.

        Both are put into square cells of the radius's size, so that a customer meets the terminals of nine cells alone.
        """
        places = (-1, 0, 1)
        cells = F.array(
            *[F.struct((F.col("cx") + x).alias("cx"), (F.col("cy") + y).alias("cy")) for x in places for y in places]
        )
        customers = self._placed(spark, self.customers, "customer").withColumns(
            {"mean": self._uniform("mean", 5, 100), "rate": self._uniform("rate", 0, 4), "cell": F.explode(cells)}
        )
        terminals = self._placed(spark, self.terminals, "terminal").select(
            F.col("id").alias("terminal"),
            F.col("x").alias("tx"),
            F.col("y").alias("ty"),
            F.struct("cx", "cy").alias("cell"),
        )
        near = F.hypot(F.col("x") - F.col("tx"), F.col("y") - F.col("ty")) < self.radius
        found = customers.join(terminals, on="cell").where(near).groupBy("id", "mean", "rate")
        return found.agg(F.sort_array(F.collect_list("terminal")).alias("nearby"))

    def _placed(self, spark: SparkSession, count: int, kind: str) -> DataFrame:
        """Numbers from 0, each with its place and the cell that holds it."""
        at = {name: self._uniform(f"{kind} {name}", 0, self.side) for name in ("x", "y")}
        cell = {f"c{name}": F.floor(F.col(name) / self.radius) for name in at}
        return spark.range(count).withColumns(at).withColumns(cell)

    def _uniform(self, name: str, low: float, high: float) -> Column:
        """A number of [low, high) by a hash of seed, name and ``id``."""
        bits = F.shiftrightunsigned(F.xxhash64(F.lit(self.seed), F.lit(name), F.col("id")), 11)
        return low + bits / F.lit(2.0**53) * (high - low)


def _frame(customer: Customer, compromised: Compromised, seed: int) -> pd.DataFrame:
    found = transactions(customer, compromised, seed=seed)
    return pd.DataFrame(
        {
            "transaction_id": found.number,
            "second": found.second,
            "customer_id": customer.number,
            "terminal_id": found.terminal,
            "amount": found.amount,
            "fraud": found.fraud.astype(np.int32),
        }
    )


def land(rows: DataFrame, landing: str) -> None:
    """Write ``handbook/ds=DATE`` and, with their labels, ``handbook_labels/ds=DATE`` below ``landing``.

    Each has one CSV file a day; what was there is replaced.
    """
    begin = F.unix_date(F.lit(str(FIRST_DAY)).cast("date")) * DAY_S
    moment = F.timestamp_seconds(begin + F.col("second"))
    dated = rows.withColumns(
        {"time": F.date_format(moment, "yyyy-MM-dd HH:mm:ss"), "ds": F.to_date(moment).cast("string")}
    )
    of_a_day = dated.repartition("ds").sortWithinPartitions("ds", "second", "transaction_id").persist()
    try:
        for folder, columns in {"handbook": list(TYPES), "handbook_labels": list(LABEL_TYPES)}.items():
            chosen = of_a_day.select("ds", *columns)
            chosen.write.mode("overwrite").partitionBy("ds").csv(f"{landing}/{folder}", header=True)
    finally:
        of_a_day.unpersist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=Simulation.days)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="times as many customers and terminals: 11.4 makes 20M rows"
    )
    parser.add_argument("--seed", type=int, default=Simulation.seed)
    parser.add_argument("--landing", default=None, help="landing folder or URI; default: the settings'")
    given = parser.parse_args()
    settings = platform.load()
    spark = engine.session("simulate handbook", settings)
    simulation = Simulation.scaled(given.scale, days=given.days, seed=given.seed)
    land(simulation.rows(spark), hadoop.uri(given.landing or settings.landing))
    spark.stop()


if __name__ == "__main__":
    main()
