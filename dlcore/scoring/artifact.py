"""A trained model as a folder: safetensors weights, files of the caller's, and a manifest with checksums, named by its content.

Nothing is unpickled: the manifest names a model, its features and its outputs, and the caller gives the code.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from dlcore.data.fields import Tensors
from dlcore.data.transform import Transform
from dlcore.run.describe import fingerprint
from dlcore.scoring.outputs import Output, Outputs, declared
from dlcore.scoring.prediction import D, Prediction
from dlcore.scoring.schema import features_of, told
from dlcore.step.tuning import processor
from dlcore.storage.folder import Folder, Place
from dlcore.storage.manifest import ArtifactError, Manifest, refuse_names

if TYPE_CHECKING:
    from dlcore.openvino.ir import IR, Inference

log = logging.getLogger("dlcore")

WEIGHTS = "weights.safetensors"
Models = Mapping[str, Callable[..., nn.Module]]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model's name, arguments and weights; ``details`` is whatever else belongs to it (metrics, statistics, versions).

    ``models``, ``outputs`` and ``transform`` are the caller's code, of which the manifest has names, kinds and fingerprints.
    """

    manifest: Manifest
    tensors: Mapping[str, Tensor]
    models: Models = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)
    transform: Transform | None = None

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def folder(self) -> str:
        return self.manifest.folder.where

    @property
    def model(self) -> str:
        return str(self.manifest.said["model"])

    @property
    def arguments(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.manifest.said["arguments"]
        return found

    @property
    def details(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.manifest.said["details"]
        return found

    @property
    def features(self) -> Tensors:
        """The columns that make what the model takes, as they were given for training."""
        if (said := self.manifest.said["features"]) is None:
            raise ArtifactError(f"artifact {self.folder} does not say what its model takes; save it with features=")
        return features_of(said)

    @property
    def kinds(self) -> dict[str, str]:
        """The output columns and their types."""
        return {name: each["kind"] for name, each in self.manifest.said["outputs"].items()}

    @property
    def files(self) -> list[str]:
        return self.manifest.names

    @classmethod
    def save(
        cls,
        folder: Place,
        *,
        model: str,
        arguments: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        details: Mapping[str, Any],
        features: Tensors | None = None,
        outputs: Outputs | None = None,
        transform: Transform | None = None,
        files: Mapping[str, bytes | Path] | None = None,
        models: Models | None = None,
    ) -> "Artifact":
        """Write an artifact, in place of the one that is in ``folder``: readers find the one or the other, whole.

        ``files`` are bytes, files or folders by name. With ``features`` and ``outputs`` it says how rows are scored.
        """
        named: dict[str, bytes | Path] = {**(files or {}), WEIGHTS: packed(tensors)}
        refuse_names([*named])
        said = {
            "model": model,
            "arguments": dict(arguments),
            "details": dict(details),
            "features": None if features is None else told(features),
            "transform": None if transform is None else fingerprint(transform),
            "outputs": {
                name: {"kind": each.kind, "of": None if each.of is None else fingerprint(each.of)}
                for name, each in declared(outputs or {}).items()
            },
        }
        Manifest.save(Folder.of(folder), said, named)
        return cls.load(folder, models=models, outputs=outputs, transform=transform)

    @classmethod
    def load(
        cls,
        folder: Place,
        *,
        models: Models | None = None,
        outputs: Outputs | None = None,
        transform: Transform | None = None,
    ) -> "Artifact":
        """Read an artifact whole, or raise an ArtifactError that names it and says what is wrong.

        ``models`` maps names to the functions that build them; ``outputs`` and ``transform`` are those that it was saved with, where
        there were any: ``predict`` asks for them.
        """
        manifest, content = Manifest.load(Folder.of(folder))
        found = cls(
            manifest=manifest,
            tensors=safetensors.torch.load(content[WEIGHTS]),
            models=models or {},
            outputs=outputs or {},
            transform=transform,
        )
        found._compare_code()
        return found

    def _compare_code(self) -> None:
        """Tell of code that is not that of the artifact: it may do the same, and may not."""
        for name, code, saved in self._code():
            if code is not None and saved is not None and fingerprint(code) != saved:
                log.warning(
                    "artifact %s: the %s given is other code than the artifact was saved with", self.folder, name
                )

    def _code(self) -> list[tuple[str, Callable[..., Any] | None, str | None]]:
        """The functions that scoring needs: what each is, the one given, and the fingerprint of the one saved."""
        said, given = self.manifest.said, declared(self.outputs)
        functions = [
            (f"output {name}", given[name].of if name in given else None, each["of"])
            for name, each in said["outputs"].items()
        ]
        return [("transform", self.transform, said["transform"]), *functions]

    def module(self, models: Models | None = None) -> nn.Module:
        """Build the named model with its arguments and weights, in evaluation mode; ``models`` are those given to ``load``, if not here."""
        known = self.models if models is None else models
        if self.model not in known:
            raise ArtifactError(f"artifact {self.folder} needs model {self.model!r}, known are {sorted(known)}")
        module = known[self.model](**self.arguments)
        try:
            module.load_state_dict(dict(self.tensors))
        except RuntimeError as error:
            raise ArtifactError(f"artifact {self.folder} does not fit its model {self.model!r}: {error}") from error
        return module.eval()

    def ir(self, precision: "Inference") -> "IR":
        """The model as an OpenVINO IR that computes in ``precision``; ``add_ir`` and ``quantize`` make them."""
        from dlcore.openvino.ir import IR, PRECISIONS

        name = f"ir/{PRECISIONS[precision][0] if precision in PRECISIONS else precision}"
        if f"{name}.xml" not in self.files:
            raise ArtifactError(
                f"artifact {self.folder} has no {name}.xml; add_ir makes that of f32 and bf16, quantize that of int8"
            )
        return IR(self.read(f"{name}.xml"), self.read(f"{name}.bin"), precision=precision)

    def with_files(self, files: Mapping[str, bytes | Path], *, folder: Place | None = None) -> "Artifact":
        """Write a version that has ``files`` too, or in the place of those of the same name: into ``folder``, or in place of this one."""
        refuse_names([*files])
        return self._version(files, {}, folder)

    def with_details(self, details: Mapping[str, Any], *, folder: Place | None = None) -> "Artifact":
        """Write a version that has ``details`` too, or in the place of those of the same name: into ``folder``, or in place of this one."""
        return self._version({}, details, folder)

    def _version(
        self, files: Mapping[str, bytes | Path], details: Mapping[str, Any], folder: Place | None
    ) -> "Artifact":
        said = {name: each for name, each in self.manifest.said.items() if name not in ("format", "sha256")}
        kept: dict[str, bytes | Path] = {name: self.read(name) for name in self.files if name not in files}
        target = self.manifest.folder if folder is None else Folder.of(folder)
        Manifest.save(target, said | {"details": {**self.details, **details}}, kept | dict(files))
        return Artifact.load(target, models=self.models, outputs=self.outputs, transform=self.transform)

    def predict(
        self, data: D, *, error: str = "error", batch: int | None = None, precision: "Inference | None" = None
    ) -> D:
        """Add the artifact's outputs to a Spark DataFrame, pyarrow Table or pandas DataFrame (``dlcore.scoring.prediction``).

        By torch; with a ``precision`` (f32, bf16, int8, or int8+bf16: what is not int8 in bf16) by OpenVINO.
        """
        return self.prediction(error=error, batch=batch, precision=precision)(data)

    def prediction(
        self, *, error: str = "error", batch: int | None = None, precision: "Inference | None" = None
    ) -> Prediction:
        """What ``predict`` does, to be called with data, or, by its ``task``, on batches that a Spark task reads by itself."""
        if missing := [name for name, code, saved in self._code() if code is None and saved is not None]:
            raise ArtifactError(
                f"artifact {self.folder} was saved with code for {', '.join(missing)}, which must be given to Artifact.load to predict"
            )
        if precision is not None:
            log.info("artifact %s predicts in %s by OpenVINO; here are %s", self.folder, precision, processor())
        given = declared(self.outputs)
        outputs = {name: Output(kind, given[name].of if name in given else None) for name, kind in self.kinds.items()}
        return Prediction(
            module=self.module() if precision is None else self.ir(precision),
            features=self.features,
            outputs=outputs,
            transform=self.transform,
            error=error,
            batch=batch,
        )

    def read(self, name: str) -> bytes:
        """A file's bytes, checked."""
        if name not in self.files:
            raise ArtifactError(f"artifact {self.folder} has no file {name!r}, it has {self.files}")
        return self.manifest.read(name)

    def extract(self, name: str, into: Path) -> Path:
        """Copy a file, or all files below a name, checked, into a folder of this machine; returns where ``name`` is then."""
        found = [each for each in self.files if each == name or each.startswith(f"{name}/")]
        for each in found or [name]:
            (into / each).parent.mkdir(parents=True, exist_ok=True)
            (into / each).write_bytes(self.read(each))
        return into / name


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as a safetensors file, which takes none that share memory: tied weights are in it under each of their names."""
    own = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    return safetensors.torch.save(own)
