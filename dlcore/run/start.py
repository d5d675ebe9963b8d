"""The weights that a training begins with, in place of those that the model is built with."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import safetensors.torch
from torch import Tensor, nn

from dlcore.storage.folder import Folder, Place
from dlcore.storage.manifest import Manifest

WEIGHTS = "weights.safetensors"


@runtime_checkable
class Holds(Protocol):
    """Something that holds a module, such as ``Fitted``."""

    @property
    def module(self) -> nn.Module: ...


Weights: TypeAlias = Place | Mapping[str, Tensor] | nn.Module | Holds


@dataclass(frozen=True, kw_only=True)
class Start:
    """``weights`` by the names that they have in the model.

    They are a safetensors file, a folder with ``weights.safetensors`` (what ``Fitted.save`` writes), a state dict, the tensors of an
    ``Artifact``, a module, or another ``Fitted``. ``rename`` maps names of theirs to names of the model's. A name in it that ends in a dot,
    or is empty, is that of all that begin with it; the longest counts. Weights of the model that are not among them must be named in
    ``new``, and stay as they are built; those among them that the model has not, in ``unused``.

    >>> Start(weights="resnet.safetensors", rename={"": "backbone."}, new=["head."], unused=["fc."])
    """

    weights: Weights
    rename: Mapping[str, str] = field(default_factory=dict)
    new: Collection[str] = ()
    unused: Collection[str] = ()

    @classmethod
    def of(cls, given: "Start | Weights") -> "Start":
        return given if isinstance(given, Start) else cls(weights=given)

    def fitting(self, model: nn.Module) -> dict[str, Tensor]:
        """The weights by the model's names; a ValueError says which are missing, left over or of another shape or kind."""
        known = model.state_dict()
        given = {name: each for name, each in self._read().items() if not _among(name, self.unused)}
        found = {self._renamed(name): each for name, each in given.items()}
        if len(found) < len(given):
            raise ValueError(
                f"Start.rename must give each weight a name of its own, got {sorted(map(self._renamed, given))}"
            )
        self._refuse_missing(sorted(known.keys() - found.keys()))
        self._refuse_left_over(sorted(found.keys() - known.keys()))
        unfit = [_unlike(name, each, known[name]) for name, each in found.items() if not _fits(each, known[name])]
        if unfit:
            raise ValueError(f"weights to start from must be of the model's shapes and kinds: {'; '.join(unfit)}")
        return found

    def _refuse_missing(self, names: list[str]) -> None:
        if missing := [name for name in names if not _among(name, self.new)]:
            raise ValueError(
                f"weights to start from must have every name of the model's, {missing} are missing; "
                "map theirs to these by Start(rename=), or say Start(new=) of what is to stay as it is built"
            )

    def _refuse_left_over(self, names: list[str]) -> None:
        if names:
            raise ValueError(
                f"weights to start from must all be the model's, {names} are not; map them by Start(rename=), or say "
                "Start(unused=) of what is not to be taken"
            )

    def _renamed(self, name: str) -> str:
        fitting = [old for old in self.rename if _is(name, old)]
        old = max(fitting, key=len, default=None)
        return name if old is None else self.rename[old] + name[len(old) :]

    def _read(self) -> Mapping[str, Tensor]:
        given = self.weights
        if isinstance(given, Holds):
            given = given.module
        if isinstance(given, nn.Module):
            return given.state_dict()
        return given if isinstance(given, Mapping) else _of_file(Folder.of(given))


def digest(weights: Mapping[str, Tensor]) -> str:
    """A name of the weights by their content."""
    content = hashlib.sha256()
    for name, each in sorted(weights.items()):
        one = safetensors.torch.save({name: each.detach().contiguous()})
        content.update(one)
    return content.hexdigest()[:16]


def _of_file(place: Folder) -> dict[str, Tensor]:
    parent, _, file = place.path.rpartition("/")
    single = file.endswith(".safetensors")
    folder, name = (Folder(parent or "/", place.system), file) if single else (place, WEIGHTS)
    if not single and Manifest.there(folder):
        return safetensors.torch.load(Manifest.load(folder)[1][WEIGHTS])
    if not folder.exists(name):
        raise ValueError(
            f"weights to start from must be a .safetensors file or a folder with {WEIGHTS}, there is none at {place.where}; "
            "of a pickle, give the state dict that torch.load(file, weights_only=True) reads"
        )
    return safetensors.torch.load(folder.read(name))


def _among(name: str, rules: Collection[str]) -> bool:
    return any(_is(name, rule) for rule in ((rules,) if isinstance(rules, str) else rules))


def _is(name: str, rule: str) -> bool:
    return name == rule or ((not rule or rule.endswith(".")) and name.startswith(rule))


def _fits(given: Tensor, known: Tensor) -> bool:
    return given.shape == known.shape and given.is_floating_point() == known.is_floating_point()


def _unlike(name: str, given: Tensor, known: Tensor) -> str:
    return f"{name} is {given.dtype}{[*given.shape]}, the model's {known.dtype}{[*known.shape]}"
