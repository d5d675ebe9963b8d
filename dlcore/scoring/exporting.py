"""OpenVINO IRs of an artifact: of its own module, or of a model of another maker's, of which they are all there is."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcore.data.fields import Tensors, fields
from dlcore.data.layout import Layout
from dlcore.data.order import Indices
from dlcore.data.rows import Resident
from dlcore.data.sources import is_dataset, is_frame, table_of
from dlcore.data.transform import Transform, transformed
from dlcore.scoring.artifact import Artifact
from dlcore.scoring.outputs import Outputs
from dlcore.storage.folder import Place
from dlcore.storage.manifest import ArtifactError, refuse_names

if TYPE_CHECKING:
    import pyarrow as pa

    from dlcore.data.sources import Data

IMPORTED = "openvino"
"""The model's name in an artifact that has no torch module."""


def add_ir(artifact: Artifact, *, example: "Data", folder: Place | None = None) -> Artifact:
    """A version of the artifact with ``ir/f32.xml`` and ``ir/f32.bin``, in ``folder`` or in its place.

    ``example`` has a row at least like those to be predicted, which says shapes and types. The IR takes what the module takes and does what
    the module does, its normalisation of pixels say, in single precision.
    """
    from dlcore.openvino.conversion import converted, files_of

    row = first_rows(example, 1)
    layout = Layout.of(row.schema, features=artifact.features)
    held = Resident(layout, layout.cells(row))
    xml, weights = files_of(converted(artifact.module(), inputs_of(held, np.array([0, 0]), artifact.transform)))
    return artifact.with_files({"ir/f32.xml": xml, "ir/f32.bin": weights}, folder=folder)


def inputs_of(held: Resident, rows: Indices, transform: Transform | None) -> Any:
    """What the model gets of some rows."""
    return pair_of(held, rows, transform)[0]


def pair_of(held: Resident, rows: Indices, transform: Transform | None) -> tuple[Any, Any]:
    """What the model and the loss get of some rows."""
    gathered = held.gather(rows)
    if transform is None:
        return held.layout.pair(gathered)
    return transformed(transform, held.layout, gathered, [None] * len(rows))


def first_rows(data: "Data", rows: int) -> "pa.Table":
    if is_frame(data):
        return data.limit(rows).toArrow()
    table = data.head(rows) if is_dataset(data) else table_of(data).slice(0, rows)
    if not table.num_rows:
        raise ValueError("an IR needs an example row, got none")
    return table


def import_model(
    folder: Place,
    *,
    source: Path,
    sha256: Mapping[str, str],
    features: Tensors,
    outputs: Outputs,
    transform: Transform | None = None,
    details: Mapping[str, Any] | None = None,
) -> Artifact:
    """Make an artifact of a model as OpenVINO reads it: ONNX, TensorFlow's SavedModel folder or frozen graph, an IR's XML.

    ``source`` is its file, or its folder; ``sha256`` has the checksum of each file that belongs to it, by its path in the folder: nothing
    else is read, and nothing is unpickled. ``features`` say what columns make its inputs; several go by the inputs' names.
    The artifact predicts with a precision, and can be quantised.
    """
    from dlcore.openvino.reading import read_files

    names = [each.partition(".")[2] for each in fields(features, "input")]
    where = source if source.is_dir() else source.parent
    name = None if source.is_dir() else source.name
    xml, weights = read_files(name, checked(where, sha256), inputs=names)
    return Artifact.save(
        folder,
        model=IMPORTED,
        arguments={},
        tensors={},
        details={"source": source.name, "source_sha256": dict(sha256), **(details or {})},
        features=features,
        outputs=outputs,
        transform=transform,
        files={"ir/f32.xml": xml, "ir/f32.bin": weights},
    )


def checked(folder: Path, sha256: Mapping[str, str]) -> dict[str, bytes]:
    """The files' bytes, which must be those of the checksums."""
    if not sha256:
        raise ValueError("sha256 must have the checksum of each of the model's files by its name, got none")
    refuse_names([*sha256])
    found = {name: (folder / name).read_bytes() for name in sha256}
    for name, content in found.items():
        if (got := hashlib.sha256(content).hexdigest()) != sha256[name]:
            raise ArtifactError(f"{folder / name} must have the sha256 {sha256[name]}, got {got}; it is another file")
    return found
