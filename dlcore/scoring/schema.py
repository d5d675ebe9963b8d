"""What a model takes of a row, as JSON: the columns as they were named, with the words of a vocabulary."""

from collections.abc import Mapping
from typing import Any

from dlcore.data.fields import Columns, Field, Tensors
from dlcore.data.vocabulary import Vocabulary


def told(features: Tensors) -> Any:
    """Columns by name, lists of them, and fields as objects below ``field``; several tensors below ``tensors``."""
    if isinstance(features, Mapping):
        return {"tensors": {name: _told(each) for name, each in features.items()}}
    return _told(features)


def features_of(said: Any) -> Tensors:
    """What was told."""
    if isinstance(said, Mapping) and "tensors" in said:
        return {name: _columns(each) for name, each in said["tensors"].items()}
    return _columns(said)


def _told(columns: Columns) -> Any:
    if not isinstance(columns, Field):
        return columns if isinstance(columns, str) else list(columns)
    return {
        "field": columns.columns if isinstance(columns.columns, str) else list(columns.columns),
        "dtype": columns.dtype,
        "shape": None if columns.shape is None else list(columns.shape),
        "words": None if columns.vocabulary is None else list(columns.vocabulary.words),
    }


def _columns(said: Any) -> Columns:
    if not isinstance(said, Mapping):
        found: Columns = said
        return found
    return Field(
        said["field"],
        dtype=said["dtype"],
        shape=None if said["shape"] is None else tuple(said["shape"]),
        vocabulary=None if said["words"] is None else Vocabulary(tuple(said["words"])),
    )
