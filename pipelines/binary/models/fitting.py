"""How the members of an app's ensemble are fitted: its networks, their settings, and the training that a setting makes."""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from dlcore import Training

if TYPE_CHECKING:
    from pipelines.binary.frames.statistics import Statistics  # which imports Spark, and plain scoring does without it

Setting = Mapping[str, Any]
"""``network`` names the network; the other values are its arguments, or rule the training."""

Network = Callable[..., nn.Module]
"""Makes a network of the ``mean`` and ``std`` of each feature, and of the values of a setting that it takes by name; of ``edges`` too
where a setting has ``bins``.
"""


class MakesTraining(Protocol):
    """An app's own function: the training of ``network`` by a setting, on ``rows`` rows."""

    def __call__(
        self, setting: Setting, network: Callable[[], nn.Module], rows: int, *, batch: int, epochs: int, seed: int
    ) -> Training: ...


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """``settings`` holds for each choice of the form the settings that members take in turn; ``grid`` is what search tries."""

    networks: Mapping[str, Network]
    settings: Mapping[str, tuple[Setting, ...]]
    grid: tuple[Setting, ...]
    training: MakesTraining

    def __post_init__(self) -> None:
        named = {setting["network"] for setting in (*itertools.chain(*self.settings.values()), *self.grid)}
        if unknown := sorted(named - self.networks.keys()):
            raise ValueError(f"settings name the networks {unknown}; Fitting.networks has {sorted(self.networks)}")

    def member(self, choice: str, number: int) -> Setting:
        """The setting of one member: a choice of several settings makes an ensemble of several kinds."""
        taken = self.settings[choice]
        return taken[number % len(taken)]

    def arguments(self, setting: Setting) -> dict[str, Any]:
        """The values of a setting that its network takes, beside mean, std and edges."""
        known = inspect.signature(self.networks[setting["network"]]).parameters
        return {name: value for name, value in setting.items() if name in known}

    def of(
        self, setting: Setting, statistics: "Statistics", rows: int, *, batch: int, epochs: int, seed: int
    ) -> Training:
        """The training of one member on a bag of ``rows``."""
        cut = {"edges": statistics.edges} if setting.get("bins") else {}
        network = partial(
            self.networks[setting["network"]],
            mean=statistics.mean,
            std=statistics.std,
            **cut,
            **self.arguments(setting),
        )
        return self.training(setting, network, rows, batch=batch, epochs=epochs, seed=seed)


def grid(**choices: Sequence[Any]) -> tuple[Setting, ...]:
    """Every combination of the choices, the last varying fastest."""
    return tuple(dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))


def named(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())
