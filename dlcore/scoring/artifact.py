"""A trained model as a folder: safetensors weights and a JSON manifest with checksums, named by the hash of its content.

Nothing is unpickled: the manifest names a model, and the caller says which function builds it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from dlcore.storage.folder import Folder

FORMAT = 1
MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"


class ArtifactError(RuntimeError):
    """An artifact is missing, damaged, changed after it was made, or of a format this version does not read."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model's recipe and weights; ``details`` is whatever else belongs to it (metrics, statistics, schema, versions)."""

    id: str
    folder: str
    model: str
    arguments: Mapping[str, Any]
    details: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def save(
        cls,
        folder: str,
        *,
        model: str,
        arguments: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        details: Mapping[str, Any],
    ) -> "Artifact":
        """Write an artifact; the manifest comes last, so an interrupted write leaves none."""
        weights = packed(tensors)
        content = {
            "format": FORMAT,
            "model": model,
            "arguments": dict(arguments),
            "details": dict(details),
            "sha256": {WEIGHTS: hashlib.sha256(weights).hexdigest()},
        }
        manifest = json.dumps({"id": _identity(content)} | content, indent=1, sort_keys=True, allow_nan=False)
        Folder(folder).write(WEIGHTS, weights)
        Folder(folder).write(MANIFEST, manifest.encode())
        return cls.load(folder)

    @classmethod
    def load(cls, folder: str) -> "Artifact":
        """Read an artifact whole, or raise an ArtifactError that names it and says what is wrong."""
        manifest = _manifest(folder)
        found = manifest.get("format")
        if found != FORMAT:
            raise ArtifactError(
                f"artifact {folder} has format {found!r}, this version reads {FORMAT}; use a matching version"
            )
        identity = manifest.pop("id", None)
        if identity != _identity(manifest):
            raise ArtifactError(f"artifact {folder} was changed: its manifest does not hash to its id {identity}")
        weights = _read(folder, WEIGHTS)
        if hashlib.sha256(weights).hexdigest() != manifest["sha256"][WEIGHTS]:
            raise ArtifactError(
                f"artifact {folder} is damaged: {WEIGHTS} is not the file that was published as {identity}"
            )
        return cls(
            id=identity,
            folder=folder,
            model=manifest["model"],
            arguments=manifest["arguments"],
            details=manifest["details"],
            tensors=safetensors.torch.load(weights),
        )

    def module(self, models: Mapping[str, Callable[..., nn.Module]]) -> nn.Module:
        """Build the named model with its arguments and weights, in evaluation mode."""
        if self.model not in models:
            raise ArtifactError(f"artifact {self.folder} needs model {self.model!r}, known are {sorted(models)}")
        module = models[self.model](**self.arguments)
        try:
            module.load_state_dict(dict(self.tensors))
        except RuntimeError as error:
            raise ArtifactError(f"artifact {self.folder} does not fit its model {self.model!r}: {error}") from error
        return module.eval()


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as a safetensors file, which takes none that share memory: tied weights are in it under each of their names."""
    own = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    return safetensors.torch.save(own)


def _identity(manifest: Mapping[str, Any]) -> str:
    """The hash of a manifest without its id; it holds the weights' checksum, so it names them too."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def _manifest(folder: str) -> dict[str, Any]:
    try:
        content = json.loads(_read(folder, MANIFEST))
    except ValueError as error:
        raise ArtifactError(f"artifact {folder} is damaged: {MANIFEST} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"artifact {folder} is damaged: {MANIFEST} must be a JSON object")
    return content


def _read(folder: str, file: str) -> bytes:
    try:
        return Folder(folder).read(file)
    except FileNotFoundError as error:
        raise ArtifactError(f"there is no artifact at {folder}: {file} is missing") from error
