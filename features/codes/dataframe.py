"""Neighbours of codes by a Spark job: blocks of the index meet blocks of the queries, and the best of all blocks are kept.

Each side is packed, partition by partition, into rows of many codes. Spark sends the queries' rows to where the index lies; each pair of
rows is searched by the kernel of ``features.codes.hamming``. An order by distance and key is one order, so what is nearest in a block and
then nearest of the blocks is nearest of all, however rows lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DataType, IntegerType, StructField, StructType

from features.codes.hamming import Codes, nearest, words

COLUMNS = ("key", "neighbour", "distance")


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The ``k`` codes of an index nearest to each query: ``key``, ``neighbour``, ``distance`` and ``rank`` from 1.

    Both sides have the columns ``key`` (numbers, text or bytes, each once) and ``code`` (bytes, of one length); rows in which one is null
    are no queries, and nobody's neighbours. Of one distance the lowest key is first. Without ``itself`` a query is not its own neighbour,
    where its key is in the index too. A block of the index has at most ``index_block`` codes, one of the queries ``query_block``; queries
    are broadcast, so all of their keys and codes must fit into the memory of the driver and of each executor.
    """

    k: int
    itself: bool = True
    key: str = "key"
    code: str = "code"
    index_block: int = 1 << 18
    query_block: int = 1 << 10

    def __post_init__(self) -> None:
        if min(self.k, self.index_block, self.query_block) < 1:
            raise ValueError(f"Neighbours.k and its blocks must be at least 1, got {self}")

    def __call__(self, queries: DataFrame, index: DataFrame) -> DataFrame:
        asked = self._blocks(queries, "query", self.query_block)
        known = self._blocks(index, "index", self.index_block)
        found = known.crossJoin(F.broadcast(asked)).mapInArrow(self._search, self._found(queries, index))
        if not self.itself:
            found = found.where(F.col("key") != F.col("neighbour"))
        order = Window.partitionBy("key").orderBy("distance", "neighbour")
        return found.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= self.k)

    def _found(self, queries: DataFrame, index: DataFrame) -> StructType:
        kinds = _kind(queries, self.key), _kind(index, self.key), IntegerType()
        return StructType([StructField(*field) for field in zip(COLUMNS, kinds, strict=True)])

    def _blocks(self, df: DataFrame, name: str, most: int) -> DataFrame:
        """One row for up to ``most`` codes of a partition: ``<name>_keys`` and ``<name>_codes``, which stand one behind the other."""
        names = [f"{name}_keys", f"{name}_codes"]
        columns = df.select(F.col(self.key).alias("key"), F.col(self.code).alias("code")).dropna()

        def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for keys, codes in _gathered(batches, most):
                yield pa.RecordBatch.from_arrays([_listed(keys), _joined(codes)], names=names)

        kinds = [ArrayType(_kind(df, self.key)), BinaryType()]
        return columns.mapInArrow(pack, StructType([StructField(*field) for field in zip(names, kinds, strict=True)]))

    def _search(self, pairs: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The nearest of each pair of blocks; one more where the query itself may be among them."""
        k = self.k if self.itself else self.k + 1
        for batch in pairs:
            columns = [batch.column(f"{side}_{part}") for side in ("query", "index") for part in ("keys", "codes")]
            for pair in zip(*columns, strict=True):
                yield _matches(*pair, k=k)


def _matches(
    asking: pa.ListScalar, queries: pa.BinaryScalar, known: pa.ListScalar, codes: pa.BinaryScalar, *, k: int
) -> pa.RecordBatch:
    one, other = _unpacked(asking, queries), _unpacked(known, codes)
    if one.shape[1] != other.shape[1]:
        raise ValueError(
            f"codes must be of one length, got queries of {one.shape[1]} bytes and an index of {other.shape[1]}"
        )
    found = nearest(words(one), words(other), k=k)
    own = np.repeat(np.arange(len(one)), found.rows.shape[1])
    distances = pa.array(found.distances.reshape(-1).astype(np.int32))
    keys = [asking.values.take(pa.array(own)), known.values.take(pa.array(found.rows.reshape(-1)))]
    return pa.RecordBatch.from_arrays([*keys, distances], names=list(COLUMNS))


def _kind(df: DataFrame, column: str) -> DataType:
    return df.schema[column].dataType


def _gathered(batches: Iterator[pa.RecordBatch], most: int) -> Iterator[pa.Table]:
    """Rows by blocks of ``most``, in the order of their keys: then a lower row is a lower key."""
    held: list[pa.Table] = []
    for batch in batches:
        held.append(pa.Table.from_batches([batch]))
        while sum(each.num_rows for each in held) >= most:
            rows = pa.concat_tables(held)
            yield rows.slice(0, most).sort_by("key")
            held = [rows.slice(most)]
    if rest := [each for each in held if each.num_rows]:
        yield pa.concat_tables(rest).sort_by("key")


def _listed(values: pa.ChunkedArray) -> pa.Array:
    """All of them as the one list of a row."""
    whole = pa.concat_arrays(values.chunks)
    return pa.ListArray.from_arrays(pa.array([0, len(whole)], pa.int32()), whole)


def _joined(codes: pa.ChunkedArray) -> pa.Array:
    if len(lengths := pc.unique(pc.binary_length(codes))) != 1:
        raise ValueError(f"codes must be of one length, got {sorted(lengths.to_pylist())} bytes")
    return pa.array([b"".join(codes.to_pylist())], pa.binary())


def _unpacked(keys: pa.ListScalar, codes: pa.BinaryScalar) -> Codes:
    return np.frombuffer(codes.as_buffer(), np.uint8).reshape(len(keys.values), -1)
