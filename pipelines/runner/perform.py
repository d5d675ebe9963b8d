"""Performing one step of a run: its session, its outcome with timings, and the sentence of its failure."""

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import time

import psutil
from pyspark.sql import SparkSession

from infra import blas
from infra import spark as engine
from infra.settings import Settings
from pipelines import outcome
from pipelines.outcome import Outcome, StepFailed
from pipelines.runner.run import Run, Session, Stage
from pipelines.runner.turn import turn

log = logging.getLogger(__name__)

OURS = {"apps", "pipelines", "features", "dlcore", "infra"}
REFUSED, FAULT = os.EX_DATAERR, 1
"""How a step's process ends: whoever submitted it tries again after a fault alone."""


def attempt(name: str, run: Run, stage: Stage) -> None:
    """Perform a step of a run that is of these parameters; a failure ends the process with the cause shown."""
    instance = stage.instance(name, run)
    log.info("%s of run %s, begun by %s: %s", instance, run.id, run.by, _prospect(stage))
    try:
        run.pin()
    except ValueError as error:
        raise refused(f"{instance} refused: {error}") from None
    try:
        result = perform(name, run, stage)
    except Exception as error:
        log.exception("%s failed", instance)
        raise refused(f"{instance} refused: {error}") if is_refusal(error) else SystemExit(FAULT) from error
    log.info("%s: %s", instance, result.summary)


def is_refusal(error: Exception) -> bool:
    """Whether a step says that the data, parameters or history it was given will not do, which another try would find again.

    It is said by a failed gate, a ValueError or a LookupError, of the plain kinds or our own: those of libraries, and a KeyError,
    may come of a moment's fault.
    """
    kind = type(error)
    plain = kind in (ValueError, LookupError) or kind.__module__.partition(".")[0] in OURS
    return plain and isinstance(error, StepFailed | ValueError | LookupError)


def refused(sentence: str) -> SystemExit:
    """The end of a process that refuses what it was given: its last line says why, for whoever submitted it."""
    print(sentence, file=sys.stderr)
    return SystemExit(REFUSED)


def _prospect(stage: Stage) -> str:
    """What an invocation is about to do, as far as it is known before its libraries are imported."""
    read = ", ".join((*stage.reads, *stage.may_read)) or "no earlier step"
    needs = {"none": "needs no session", "spark": "starts a Spark session", "hive": "starts a Spark session with Hive"}
    return f"it reads what {read} left, and {needs[stage.session]}"


def perform(name: str, run: Run, stage: Stage) -> Outcome:
    """Build a step while the session it asks for starts, run it, and write its outcome with its timings.

    Tries of one instance take turns: the one before may still write when a retry begins. What an earlier try left is gone
    before this one begins, and a failure leaves an outcome that says so: nobody reads a success that does not stand.
    """
    began, instance = time(), stage.instance(name, run)
    os.environ["EMBERLINE_RUN"] = run.id  # by hand, as a DAG does for the JVM that it submits: its log names the run
    with turn(run.folder / "locks" / f"{instance}.lock"):
        place = outcome.file(run.folder, instance)
        place.unlink(missing_ok=True)
        times = {"launched": launched(), "began": began}
        try:
            result, ready = worked(name, run, stage)
        except Exception as error:
            found = error.outcome if isinstance(error, StepFailed) else Outcome(summary=str(error))
            sentence = f"{type(error).__name__}: {error}"
            ended = times | {"ready": time(), "ended": time()}
            write(place, replace(found, failed=sentence, refused=is_refusal(error), times=ended).to_json())
            raise
        result = replace(result, times=times | {"ready": ready, "ended": time()})
        write(place, result.to_json())
    return result


def worked(name: str, run: Run, stage: Stage) -> tuple[Outcome, float]:
    """What the step did, and when it had its session."""
    allowed = replace(run, reads=frozenset((*stage.reads, *stage.may_read)))
    with ThreadPoolExecutor(1) as beside:
        building = beside.submit(stage.build, allowed)  # imports its libraries: seconds of Python, beside those of Java
        spark = session(stage.session, f"{run.app} {name} {run.id}", run.settings)
        shown = _shown(run, stage.instance(name, run), spark)
        try:
            step = building.result()
            log.info("%s: %s", type(step).__name__, (type(step).__doc__ or "").partition("\n")[0])
            log.info(blas.sentence(spark))  # here: until the step is built, torch may be half imported
            ready = time()
            return step.run(spark), ready
        finally:
            shown.unlink(missing_ok=True)
            if spark is not None:
                spark.stop()


def _shown(run: Run, instance: str, spark: SparkSession | None) -> Path:
    """Say where the step's Spark UI is, if it has one, in its log and in the file that is returned."""
    file = run.settings.spark_uis(run.app, run.id) / instance
    if spark is not None and (address := spark.sparkContext.uiWebUrl):
        log.info("Spark UI, while this step lives: %s", address)
        write(file, address)
    return file


def session(needs: Session, name: str, settings: Settings) -> SparkSession | None:
    """Start the session that a step asks for."""
    return None if needs == "none" else engine.session(name, settings, hive=needs == "hive")


def launched() -> float:
    """When this step's process was asked for: the submitting JVM's start under spark-submit, else our own."""
    process = psutil.Process()
    submitter = process.parent() if "PYSPARK_GATEWAY_PORT" in os.environ else None
    return float((submitter or process).create_time())


def write(file: Path, text: str) -> None:
    """Write aside, then rename, so that a reader never finds half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text)
    aside.rename(file)
