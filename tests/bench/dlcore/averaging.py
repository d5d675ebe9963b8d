"""Time to accuracy by synchronous SGD and by parameter averaging: ``python -m tests.bench.dlcore.averaging MNIST_FOLDER``.

LeNet-5 by two executors of one core each. The seconds are those of steps, commits and pauses between groups; judging the test rows at
the end of each epoch is left out, and so is the start, which is the same for all.
"""

import argparse
import tempfile
from functools import partial
from itertools import accumulate
from pathlib import Path

from pyspark.sql import DataFrame
from torch.nn.functional import cross_entropy
from torch.optim import SGD

from dlcore import Above, Accuracy, Epochs, Fitted, Poly, Training, Warmup
from dlcore.step.progress import told
from dlcore.zoo.classifiers import LeNet
from tests.bench.dlcore.pictures import mnist
from tests.bench.dlcore.session import session

TARGETS = (0.985, 0.99)


def fit(train: DataFrame, test: DataFrame, *, every: int | None, batch: int, epochs: int, seed: int) -> Fitted:
    training = Training(
        model=LeNet,
        loss=cross_entropy,
        optimizer=partial(SGD, momentum=0.9),
        schedule=Warmup(start=0.0, steps=Epochs(0.5), then=Poly(lr=0.1, steps=Epochs(epochs))),
        batch=batch,
        epochs=epochs,
        seed=seed,
        average_every=every,
        metrics=[Accuracy()],
        end=Above(max(TARGETS), of="accuracy"),
    )
    columns = {"features": ["pixels"], "label": "digit"}
    with tempfile.TemporaryDirectory(prefix="dlcore-bench-") as folder:
        return training.fit(train, **columns, validation=test, workers=2, folder=folder)  # type: ignore[arg-type]


def reached(fitted: Fitted, target: float) -> str:
    """Epochs and seconds to the accuracy, as a cell of the table."""
    times = accumulate(each.seconds + each.scheduling_s + each.commits_s for each in fitted.history)
    judged = [(each, time) for each, time in zip(fitted.history, times, strict=True) if each.metrics]
    found = next((pair for pair in judged if pair[0].metrics["accuracy"] >= target), None)
    return "not reached" if found is None else f"{found[1]:.1f} s, {found[0].epoch} epochs"


def line(fitted: Fitted, name: str) -> str:
    best = max(each.metrics["accuracy"] for each in fitted.history if each.metrics)
    cells = " | ".join(f"{reached(fitted, target):>20s}" for target in TARGETS)
    return f"| {name:28s} | {cells} | {best:.2%} | {told(fitted.time_shares)} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, help="the four MNIST idx files")
    arguments.add_argument("--every", type=int, nargs="+", default=[5, 20], help="steps between two averages")
    arguments.add_argument("--batch", type=int, default=256, help="rows of a step over both workers")
    arguments.add_argument("--epochs", type=int, default=15, help="after which a run is given up")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--rows", type=int, default=None, help="take fewer rows than all of MNIST")
    given = arguments.parse_args()
    spark = session(
        {"spark.driver.memory": "3g", "spark.rpc.message.maxSize": "1024"}, master="local-cluster[2,1,2048]"
    )
    print(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")))
    train, test = (spark.createDataFrame(mnist(given.folder, part)[: given.rows]) for part in ("train", "t10k"))
    print(f"| batch {given.batch:22d} | {' | '.join(f'{target:20.1%}' for target in TARGETS)} | best | of the time |")
    for seed in range(given.seeds):
        for every in (None, *given.every):
            fitted = fit(train, test, every=every, batch=given.batch, epochs=given.epochs, seed=seed)
            name = "synchronous SGD" if every is None else f"averaged every {every} steps"
            print(line(fitted, name), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
