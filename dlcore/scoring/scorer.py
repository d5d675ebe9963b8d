"""Arrow batches in, the same rows with their outputs out: a row that cannot be scored has null outputs and its reason."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from dlcore.data.cells import Cells, Rowed
from dlcore.data.feed import STEPS_AHEAD
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.data.packed import Arrays
from dlcore.data.transform import Transform, applied, row_of, stacked
from dlcore.scoring.batches import FEWEST, batch_rows
from dlcore.scoring.outputs import Output, OutputError, arrow
from dlcore.step.method import Asynchronous, started

CHUNK_BYTES = 16 * 2**20
"""Rows are worked on, and given back, in pieces of about this much."""
SAMPLED = 100
"""Rows that are tried to find one that shows how large a row is."""
T = TypeVar("T")
U = TypeVar("U")
Reasons = dict[int, str]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Rows with what the model gets of the ``good`` ones, and why it gets nothing of the others.

    ``inputs`` are stacked, or a list where the transform made rows that do not stack.
    """

    rows: pa.RecordBatch
    good: Indices
    inputs: Any
    reasons: Reasons

    def piece(self, first: int, end: int) -> Any:
        """What the model gets of good rows ``first`` to ``end``, in memory of torch's own: it begins on 64-byte lines, so that vector
        code rounds alike whatever the place of the rows."""
        if isinstance(self.inputs, list):
            return stacked(self.inputs[first:end], "x")
        if isinstance(self.inputs, Tensor):
            return self.inputs[first:end].clone()
        return {name: each[first:end].clone() for name, each in self.inputs.items()}


@dataclass(frozen=True)
class Running:
    """Rows whose predictions are under way, a batch of the model's after the other."""

    ready: Ready
    predictions: Sequence[Callable[[], Any]]

    @classmethod
    def of(cls, module: nn.Module, ready: Ready, size: int) -> "Running":
        firsts = range(0, len(ready.good), size)
        return cls(ready, [_begun(module, ready, first, min(first + size, len(ready.good))) for first in firsts])


def _begun(module: nn.Module, ready: Ready, first: int, end: int) -> Callable[[], Any]:
    """The prediction of good rows; an asynchronous module has its rows at once, for any other they are cut when it is their turn."""
    if isinstance(module, Asynchronous) and not isinstance(ready.inputs, list):
        return started(module, ready.piece(first, end))
    return lambda: started(module, ready.piece(first, end))()


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores rows in batches of ``batch`` rows, or of as many as fit the model; columns in ``arrays`` go on in them."""

    layout: Layout
    arrays: Arrays
    outputs: dict[str, Output]
    error: str
    transform: Transform | None
    batch: int | None

    def __call__(
        self, module: nn.Module, batches: Iterable[pa.RecordBatch], *, loaders: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """Transforms run ahead in ``loaders`` threads, or without any in the caller's own."""
        coming = iter(batches)
        for first in coming:
            if first.num_rows:
                size = self.batch or self._fitting(module, first)
                pieces = self._cut(chain([first], coming), size)
                yield from self._in_turn(module, ahead(self.ready, pieces, threads=loaders), size)

    def _in_turn(self, module: nn.Module, coming: Iterable[Ready], size: int) -> Iterator[pa.RecordBatch]:
        """Score in order; an asynchronous module computes the next while the outputs of one are made."""
        running, most = deque[Running](), module.requests if isinstance(module, Asynchronous) else 0
        for ready in coming:
            running.append(Running.of(module, ready, size))
            if len(running) > most:
                yield self._scored(module, running.popleft(), size)
        while running:
            yield self._scored(module, running.popleft(), size)

    def _fitting(self, module: nn.Module, rows: pa.RecordBatch) -> int:
        for row in range(min(rows.num_rows, SAMPLED)):
            ready = self.ready(rows.slice(row, 1))
            if len(ready.good):
                try:
                    return batch_rows(module, ready.piece(0, 1))
                except Exception:  # noqa: BLE001 - what the model makes of a row is told with the row, or raised, when it is scored
                    continue
        return FEWEST

    def _cut(self, batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
        """Pieces of batches: what a transform works on is one batch of the model's."""
        for rows in batches:
            most = max(1, CHUNK_BYTES * rows.num_rows // max(1, rows.nbytes))
            length = min(size, most) if self.transform is not None else most
            yield from (rows.slice(at, length) for at in range(0, rows.num_rows, length))

    def ready(self, rows: pa.RecordBatch) -> Ready:
        """What the model gets of rows."""
        opened = self.arrays.opened(rows)
        cells = self.layout.usable_cells(opened)
        reasons = self._reasons(opened) if cells is None else {}
        good = np.delete(np.arange(rows.num_rows), [*reasons])
        if not len(good):
            return Ready(rows=rows, good=good, inputs=[], reasons=reasons)
        if cells is None:
            cells = self.layout.cells(self.arrays.opened(rows.take(pa.array(good))))
        cells = {name: _own(each) for name, each in cells.items()}
        if self.transform is None:
            inputs = self.layout.pair({name: torch.from_numpy(each) for name, each in cells.items()})[0]
            return Ready(rows=rows, good=good, inputs=inputs, reasons=reasons)
        made, kept = [], []
        for at, row in enumerate(good):
            try:
                made.append(applied(self.transform, self.layout.pair(row_of(cells, at))[0], None, None)[0])
                kept.append(row)
            except Exception as error:  # noqa: BLE001 - whatever a row makes the user's code raise is that row's reason
                reasons[int(row)] = _told(error)
        return Ready(rows=rows, good=np.array(kept, dtype=np.int64), inputs=_stacked(made), reasons=reasons)

    def _reasons(self, rows: Rowed) -> Reasons:
        """Why rows cannot be scored, naming up to five columns."""
        bad: dict[int, list[str]] = {}
        for column, good in self.layout.usable(rows).items():
            for row in () if good.all() else np.flatnonzero(~good):
                bad.setdefault(int(row), []).append(column)
        return {row: f"null or not a finite number: {', '.join(columns[:5])}" for row, columns in bad.items()}

    def _scored(self, module: nn.Module, running: Running, size: int) -> pa.RecordBatch:
        ready = running.ready
        reasons, count = dict(ready.reasons), ready.rows.num_rows
        scored, found = list[Indices](), list[list[pa.Array]]()
        for first, prediction in zip(range(0, len(ready.good), size), running.predictions, strict=True):
            for rows, columns in self._piece(module, ready, first, size, prediction, reasons):
                scored.append(rows)
                found.append(columns)
        picked = _picked(scored, count) if reasons else None
        columns = [self._column(place, [each[place] for each in found], picked) for place in range(len(self.outputs))]
        told = pa.array(map(reasons.get, range(count)), pa.string()) if reasons else pa.nulls(count, pa.string())
        added = dict(zip(self.outputs, columns, strict=True)) | {self.error: told}
        schema = pa.schema([*ready.rows.schema, *(pa.field(name, each.type) for name, each in added.items())])
        return pa.RecordBatch.from_arrays([*ready.rows.columns, *added.values()], schema=schema)

    def _column(self, place: int, found: list[pa.Array], picked: pa.Array | None) -> pa.Array:
        """An output of all rows: of those ``picked``, or of all in their order."""
        if picked is not None and not found:
            return pa.nulls(len(picked), arrow([*self.outputs.values()][place].kind))
        whole = pa.concat_arrays(found) if len(found) > 1 else found[0]
        return whole if picked is None else whole.take(picked)

    def _piece(
        self,
        module: nn.Module,
        ready: Ready,
        first: int,
        size: int,
        prediction: Callable[[], Any],
        reasons: Reasons,
    ) -> list[tuple[Indices, list[pa.Array]]]:
        """The outputs of up to ``size`` good rows from ``first`` on; where they fail together, of each that does not fail alone."""
        rows = ready.good[first : first + size]
        try:
            return [(rows, self._columns(prediction, len(rows)))]
        except OutputError:
            raise
        except Exception as error:
            found: list[tuple[Indices, list[pa.Array]]] = []
            for at, row in enumerate(rows, first):
                try:
                    found.append((ready.good[at : at + 1], self._columns(_begun(module, ready, at, at + 1), 1)))
                except Exception as alone:  # noqa: BLE001 - whatever a row makes the user's code raise is that row's reason
                    reasons[int(row)] = _told(alone)
            if not found and len(rows) > 1:  # what all rows of a batch fail at is not a row's fault
                raise error
            return found

    def _columns(self, predict: Callable[[], Any], rows: int) -> list[pa.Array]:
        with torch.inference_mode():
            prediction = predict()
            return [output.column(name, prediction, rows) for name, output in self.outputs.items()]


def _picked(scored: Sequence[Indices], count: int) -> pa.Array:
    """For each of ``count`` rows where among those ``scored`` it is; null where it is not."""
    rows, places = np.concatenate([*scored, np.empty(0, np.int64)]), np.full(count, -1)
    places[rows] = np.arange(len(rows))
    return pa.array(places, mask=places < 0)


def ahead(make: Callable[[T], U], things: Iterable[T], *, threads: int) -> Iterator[U]:
    """Make something of each thing, in their order; some ahead in ``threads`` threads, or without any when it is asked for."""
    if not threads:
        yield from map(make, things)
        return
    pool, coming = ThreadPoolExecutor(threads, thread_name_prefix="dlcore-loader"), deque[Future[U]]()
    try:
        for thing in things:
            coming.append(pool.submit(make, thing))
            if len(coming) >= threads + STEPS_AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _own(cells: Cells) -> Any:
    """An array that torch and a transform may write to: Arrow's own memory is read-only. Bytes are as they are."""
    return np.require(cells, requirements=["C", "W"]) if isinstance(cells, np.ndarray) else cells


def _stacked(made: list[Any]) -> Any:
    try:
        return stacked(made, "x") if made else []
    except (ValueError, TypeError):
        return made


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
