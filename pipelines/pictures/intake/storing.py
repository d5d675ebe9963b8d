"""What a task does with delivered pictures: each is judged, the good are put into HBase, and what is known of all goes on without bytes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, StructField, StructType

from features.pictures.headers import BadPicture
from features.pictures.voc import Annotation, BadAnnotation
from pipelines.pictures import store
from pipelines.pictures.catalogue import EDGES, ROW, WHY
from pipelines.pictures.drawing import glimpse
from pipelines.pictures.intake.judging import Known, Refused, Rules
from pipelines.pictures.store import Store

VERDICT = StructType([*ROW.fields, *WHY, StructField("thumbnail", BinaryType())])
"""A row of the catalogue, or one that has no ``key`` and says why; of some refused pictures with what can be seen of them."""

Verdict = dict[str, Any]
GLIMPSES = 3  # a task and rule


@dataclass(frozen=True, kw_only=True)
class Storing:
    """Maps batches of a delivery's pictures to batches of ``VERDICT``."""

    rules: Rules
    store: Store
    ds: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        cv2.setNumThreads(1)  # the task's other cores have tasks of their own
        shown: Counter[str] = Counter()
        for batch in batches:
            rows = batch.to_pylist()
            verdicts = self._stored(rows, [self.verdict(row) for row in rows])
            for row, verdict in zip(rows, verdicts, strict=True):
                if verdict["rule"] and shown[verdict["rule"]] < GLIMPSES:
                    shown[verdict["rule"]] += 1
                    verdict["thumbnail"] = glimpse(row["picture"])
            yield pa.RecordBatch.from_pylist(verdicts, to_arrow_schema(VERDICT))

    def verdict(self, row: dict[str, Any]) -> Verdict:
        """What is known of one picture, or why it is refused."""
        picture, xml = row["picture"], row["annotation"]
        found = {name: row[name] for name in ("name", "source", "bytes")}
        found["sha256"] = store.content(picture) if picture is not None else None
        if picture is None:
            return _refused(found, "large", f"a picture must have at most {self.rules.limits.bytes:,} bytes")
        try:
            known = self.rules.judged(row["name"], picture, xml, row["splits"] or ())
        except (BadPicture, BadAnnotation, Refused) as wrong:
            return _refused(found, wrong.rule, str(wrong))
        key = store.key(self.ds, row["name"], picture, xml)
        return {**dict.fromkeys(VERDICT.names), **found, "key": key, **_columns(known)}

    def _stored(self, rows: list[dict[str, Any]], verdicts: list[Verdict]) -> list[Verdict]:
        """Put the good ones; one that HBase does not take is refused too."""
        good = [
            {"key": verdict["key"], "picture": row["picture"], "annotation": row["annotation"]}
            for row, verdict in zip(rows, verdicts, strict=True)
            if verdict["key"]
        ]
        faults = self.store.put(pa.RecordBatch.from_pylist(good, to_arrow_schema(store.SCHEMA))) if good else {}
        return [_refused(one, "store", faults[one["key"]]) if one["key"] in faults else one for one in verdicts]


def _refused(found: Verdict, rule: str, reason: str) -> Verdict:
    kept = {name: found[name] for name in ("name", "source", "bytes", "sha256")}
    sentence = reason if reason.startswith(f"{rule}: ") else f"{rule}: {reason}"
    return {**dict.fromkeys(VERDICT.names), **kept, "rule": rule, "reason": sentence}


def _columns(known: Known) -> Verdict:
    seen = known.annotation
    counts = Counter(seen.labels if seen else ())
    return {
        "kind": known.kind,
        "width": known.width,
        "height": known.height,
        "split": known.split,
        "annotated": seen is not None,
        "objects": len(seen.objects) if seen else 0,
        "dropped": len(seen.dropped) if seen else 0,
        "counts": [{"label": label, "objects": count} for label, count in sorted(counts.items())],
        "boxes": _boxes(seen) if seen else [],
    }


def _boxes(seen: Annotation) -> list[dict[str, Any]]:
    return [{**asdict(one), **dict(zip(EDGES, one.box, strict=True))} for one in seen.objects]
