"""Models of other makers, as OpenVINO reads them, from files whose bytes were checked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino as ov

from dlcore.openvino.conversion import files_of
from dlcore.openvino.signature import Signature


def read_files(name: str | None, files: Mapping[str, bytes], *, inputs: Sequence[str]) -> tuple[bytes, bytes]:
    """The IR of the model of file ``name``, or of the folder that ``files`` are in where there is no name, for any number of rows.

    It is read where nothing but ``files`` is, so that it cannot refer to others. ``inputs`` are the names that its inputs must have;
    the only one has none.
    """
    if name is not None and name not in files:
        raise ValueError(f"sha256 must have the model's file {name!r}, got {sorted(files)}")
    with TemporaryDirectory() as folder:
        for each, content in files.items():
            (Path(folder) / each).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / each).write_bytes(content)
        model = ov.Core().read_model(Path(folder) / (name or "."))
        _take_any_rows(model)
        found = Signature.of_model(model)
        replace(found, inputs=_named(model, found, inputs)).write(model)
        return files_of(model)


def _take_any_rows(model: ov.Model) -> None:
    shapes = {port: port.get_partial_shape() for port in model.inputs}
    if fixed := [port for port, shape in shapes.items() if not shape.rank.is_dynamic and shape[0].is_static]:
        try:
            model.reshape({port: ov.PartialShape([-1, *[*shapes[port]][1:]]) for port in fixed})
        except RuntimeError as error:
            raise ValueError(
                f"the model takes {[str(shape) for shape in shapes.values()]} only; export it for any number of rows"
            ) from error


def _named(model: ov.Model, found: Signature, wanted: Sequence[str]) -> tuple[str, ...]:
    """The inputs' names as features name them."""
    if list(wanted) == [""] and len(model.inputs) == 1:
        return found.inputs
    has = [
        sorted(each.removesuffix(":0") for each in port.get_names()) for port in model.inputs
    ]  # TensorFlow's x:0 is x
    names = [[name for name in wanted if name in known] for known in has]
    if len(names) != len(wanted) or not all(names):
        raise ValueError(f"features must name the model's inputs, which are {has}, got {list(wanted)}")
    return tuple(each[0] for each in names)
