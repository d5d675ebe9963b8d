"""Training: an ordinary module, loss and DataFrame in, a fitted module out."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
from torch import nn

from dlcore.data.fields import Tensors
from dlcore.data.layout import Layout
from dlcore.data.memory import held, opened
from dlcore.data.order import Order
from dlcore.data.rows import Rows
from dlcore.data.sources import is_dataset, is_frame, table_of
from dlcore.run.chain import Chain, History, advance, refuse_other
from dlcore.run.commits import Commit, Commits, Saved
from dlcore.run.describe import settings
from dlcore.run.here import GroupsHere
from dlcore.run.plan import Plan
from dlcore.run.start import Start, Weights, digest
from dlcore.run.stopping import Stop, StopRequests
from dlcore.scoring.fitted import Fitted
from dlcore.step.engine import Engine
from dlcore.step.progress import told
from dlcore.step.state import Figures, capture, restore
from dlcore.step.tuning import computing_with, divided
from dlcore.storage.folder import Folder, Place
from dlcore.storage.scratch import temporary
from dlcore.tracking.callbacks import Callback, OnProgress, Run, callbacks_of, given_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dlcore.data.sources import Data, Laid

    Begin = Callable[[Folder, Mapping[str, str]], Chain]

log = logging.getLogger("dlcore")


@dataclass(frozen=True, kw_only=True)
class Training(Plan):
    """A plan that is carried out by ``fit``; its fields are those of ``Method`` and ``Plan``."""

    def fit(
        self,
        data: "Data",
        *,
        features: Tensors,
        label: Tensors,
        workers: int = 1,
        folder: Place | None = None,
        validation: "Data | None" = None,
        on_progress: OnProgress | None = None,
        callbacks: Sequence[Callback] = (),
        stop: Stop | None = None,
        start: Start | Weights | None = None,
    ) -> Fitted:
        """Train on ``data`` and return the fitted module.

        A Spark DataFrame is trained on by ``workers`` tasks at once; a pyarrow Table or a pandas DataFrame in this process; a pyarrow
        dataset (Parquet files) by either, without Spark in the data's path. ``features`` and ``label`` name the columns that make
        tensors, in one of the ways that ``dlcore.data.fields`` lists. ``folder`` is a path, a URI, or a Folder of any pyarrow file system.
        One that holds a run of the same settings and data is gone on from, to more epochs too; of others it is refused. ``start`` are the
        weights to begin with, by the names of the model's, or a ``Start`` that says how they are named.

        ``on_progress``, a function of records, and ``callbacks`` are called in this thread. A run stops after a step, with a commit, when
        one of them says True to a record, when ``stop`` is set, when a file ``stop`` is put into its folder, and at SIGINT and SIGTERM,
        which are delivered then.
        """
        if workers < 1 or not features or not label:
            raise ValueError(f"fit needs at least one worker, feature and label, got {workers=}, {features=}, {label=}")
        self.refuse_workers(workers)
        if validation is None:
            self._refuse_unvalidated()
        columns = partial(self._laid, features=features, label=label)
        begin = partial(
            self._chain,
            callbacks=callbacks_of(on_progress, callbacks),
            stop=stop,
            start=None if start is None else Start.of(start),
        )
        taken = Layout.of(_schema(data), features=features).features
        if (session := _session(data, workers)) is None:
            with _opened(folder) as place:
                return self._fitted(self._fit_here(data, validation, columns, place, begin), taken, label)
        from dlcore.spark.executors import advise, refuse_unfit

        refuse_unfit(self, session, folder)
        started = time.monotonic()
        with _opened(folder) as place:
            chain = self._fit_on_spark(session, data, validation, columns, workers, place, begin)
            fitted = self._fitted(chain, taken, label)
        advise(fitted.history, time.monotonic() - started)
        return fitted

    def _refuse_unvalidated(self) -> None:
        """A ValueError where settings need validation rows."""
        if self.following:
            raise ValueError(
                f"{', '.join(self.following)} follow what validations find; give fit a validation= to take them on"
            )
        if self.metrics:
            raise ValueError(
                f"metrics are of validation rows; give fit a validation= for {[each.name for each in self.metrics]}"
            )

    def _fit_here(
        self,
        data: "Data",
        validation: "Data | None",
        columns: "Laid",
        folder: Folder,
        begin: "Begin",
    ) -> Chain:
        rows, name = self._rows(data, folder / "data", columns)
        held_out = None if validation is None else self._rows(validation, folder / "validation", columns)[0]
        chain = begin(folder, settings(self, data=name, workers=1))
        threads, loaders = divided(torch.get_num_threads(), self.loading)
        log.info("this process uses %d torch threads and %d loader threads", threads, loaders)
        engine = Engine(self, rows, held_out, metrics=self.metrics, pauses=self.pauses, loaders=loaders)
        with computing_with(threads), closing(engine):
            run = self._run(chain, folder, rows=rows.count, workers=1)
            return advance(chain, run, GroupsHere(engine, chain, self.group_s))

    def _fit_on_spark(
        self,
        session: "SparkSession",
        data: "Data",
        validation: "Data | None",
        columns: "Laid",
        workers: int,
        folder: Folder,
        begin: "Begin",
    ) -> Chain:
        from dlcore.spark.executors import groups, stored

        pieces = partial(stored, laid=columns, plan=self)
        train = pieces(data, folder / "data")
        held_out = None if validation is None else pieces(validation, folder / "validation")
        now = settings(self, data=train.pieces.fingerprint, workers=workers)
        chain = begin(folder, now)
        run = self._run(chain, folder, rows=sum(train.pieces.rows), workers=workers)
        with closing(groups(self, session, train, held_out, chain, workers)) as group:
            return advance(chain, run, group)

    def _run(self, chain: Chain, folder: Folder, *, rows: int, workers: int) -> Run:
        order = Order(rows=rows, batch=self.batch, seed=self.seed, start=chain.commit.saved.figures.place)
        return Run(
            settings=given_settings(self),
            rows=rows,
            workers=workers,
            step=chain.commit.step,
            steps=order.end(self.epochs),
            folder=folder.where,
        )

    def _laid(self, schema: pa.Schema, *, features: Tensors, label: Tensors) -> Layout:
        layout = Layout.of(schema, features=features, label=label)
        if layout.undecoded and self.transform is None:
            raise ValueError(
                f"columns {layout.undecoded} hold bytes; give Training a transform that decodes them, or, if the bytes are the "
                "elements of a tensor, say Field(column, shape=...)"
            )
        return layout

    def _rows(self, data: "Data", folder: Folder, columns: "Laid") -> tuple[Rows, str]:
        if is_dataset(data):
            return opened(data, folder, columns(data.schema), resident_bytes=self.resident_bytes)
        if is_frame(data):
            raise TypeError("a table in memory is validated on a table or a pyarrow dataset, got a Spark DataFrame")
        table = table_of(data)
        return held(table, columns(table.schema))

    def _chain(
        self,
        folder: Folder,
        now: Mapping[str, str],
        *,
        callbacks: Sequence[Callback],
        stop: Stop | None,
        start: Start | None,
    ) -> Chain:
        """The folder's commits, from the one to go on from, which must be of the settings of ``now`` and of the same start."""
        commits, model = Commits(folder / "commits", keep=self.keep_commits), self.build()
        if start is not None:
            weights = start.fitting(model)
            model.load_state_dict(weights, strict=False)
            now = {**now, "start": digest(weights)}
        before = commits.latest()
        if before is not None:
            refuse_other(before, now, epochs=self.epochs, where=commits.folder.where)
        commits = commits.claimed()
        kept = commits.sound(self.best) or [self._first(commits, now, model)]
        if before is not None:
            log.info("going on from the commit of step %d in %s", kept[-1].step, commits.folder.where)
        history = History(callbacks, StopRequests(stop, folder), list(kept[-1].history))
        return Chain(commits, kept, history, self)

    def _first(self, commits: Commits, now: Mapping[str, str], model: nn.Module) -> Commit:
        """The commit of step zero, with ``model`` as it is."""
        part = capture(model, self.optimize(model), names=model.state_dict())
        saved = Saved(figures=Figures(), slices=(commits.write(part, step=0, name="start"),))
        return commits.seal(saved, after=None, settings=now, history=())

    def _fitted(self, chain: Chain, features: Tensors, label: Tensors) -> Fitted:
        saved, model = chain.end(), self.build()
        with chain.owned():
            restore(model, None, chain.commits.load(saved))
        history = tuple(chain.commit.history)
        best = next((each for each in history if self.keep_best is not None and each.step == saved.step), None)
        fitted = Fitted(module=model.eval(), history=history, best=best, method=self, features=features, label=label)
        log.info("of the time: %s", told(fitted.time_shares))
        return fitted


@contextmanager
def _opened(folder: Place | None) -> Iterator[Folder]:
    """The folder of the run; without one, a temporary folder of this machine for as long as the run lasts."""
    if folder is not None:
        opened = Folder.of(folder)
        opened.refuse_unreachable()
        opened.refuse_several_writers()
        yield opened
        return
    with temporary() as place:
        yield Folder(str(place))


def _schema(data: "Data") -> pa.Schema:
    if is_frame(data):
        from dlcore.spark.writing import schema_of

        return schema_of(data)
    return data.schema if is_dataset(data) or isinstance(data, pa.Table) else pa.Schema.from_pandas(data)


def _session(data: "Data", workers: int) -> "SparkSession | None":
    """The session to train on; None for this process alone."""
    if is_frame(data):
        return data.sparkSession
    if workers == 1:
        return None
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession() if is_dataset(data) else None
    if session is None:
        raise ValueError(
            "several workers need a Spark DataFrame, or a pyarrow dataset and an active Spark session; a table in memory is "
            f"trained on by this process alone, got {workers=}"
        )
    return session
