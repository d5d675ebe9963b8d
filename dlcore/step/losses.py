"""What a loss gives: a mean over rows, or a sum and its weight, which are divided after the sum over workers.

torch's ``cross_entropy`` and ``nll_loss`` divide by the weight of the rows that count, so means of shares do not add up to the mean of
the batch: where class weights or ignored rows make a difference, a sum and its weight are computed instead. A function that calls them
inside is not known to be one of them, so its calls are watched, and what would train otherwise with each number of workers is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from inspect import Signature, signature
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from dlcore.metrics.metric import State, one_of, summed

Pair: TypeAlias = tuple[Tensor, Tensor | float]
Loss: TypeAlias = Callable[[Any, Any], Tensor | Pair]

IGNORED = -100
"""torch's number for rows of no class."""


@dataclass(frozen=True)
class Found:
    """The loss of ``rows`` rows: their mean, or with a ``weight`` a sum that is to be divided by it.

    Of no rows, where others stood in for them, it counts for nothing.
    """

    value: Tensor
    weight: float | None
    rows: int

    def part(self, whole: int) -> Tensor:
        """What these rows add to the loss of ``whole`` rows, up to the division by the weight of them all."""
        return self.value * (self.rows / whole if self.weight is None else bool(self.rows) / whole)

    @property
    def counted(self) -> float:
        """The weight; of a mean, its rows."""
        return self.rows if self.weight is None or not self.rows else self.weight

    @property
    def total(self) -> float:
        return float(self.value) * (self.rows if self.weight is None else 1)


def found(call: Callable[[], Any], *, rows: int, watched: bool = True) -> Found:
    """What ``call`` finds for so many rows; one that is ``watched`` is refused where it would depend on how rows are shared out."""
    if watched:
        with LossCalls() as calls:
            given = call()
        calls.refuse(given)
    else:
        given = call()
    if isinstance(given, Tensor) and given.numel() == 1:
        return Found(given, None, rows)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Tensor) and all(map(_number, given)):
        value, weight = given[0], float(given[1])
        if not weight >= 0:
            raise ValueError(f"a loss that returns (sum, weight) must return a weight of zero or more, got {weight}")
        return Found(value, weight, rows)
    raise TypeError(
        "a loss must return a mean over rows as one number, or (sum, weight) as a pair of tensors of one number each, got "
        f"{_told(given)}"
    )


def _number(given: Any) -> bool:
    return given.numel() == 1 if isinstance(given, Tensor) else isinstance(given, int | float)


def _told(given: Any) -> str:
    if isinstance(given, Tensor):
        return f"a tensor of shape {list(given.shape)}"
    return f"({', '.join(map(_told, given))})" if isinstance(given, tuple) else type(given).__name__


class LossCalls(TorchFunctionMode):
    """Sees which of torch's losses are called, and how."""

    def __init__(self) -> None:
        super().__init__()
        self._uneven = ""
        self._sums: list[Any] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if (reduction := kwargs.get("reduction")) == "sum":
            self._sums.append(result)
        elif func in WEIGHING and reduction == "mean" and _uneven(**_arguments(func, *args, **kwargs)):
            self._uneven = func.__name__
        return result

    def refuse(self, given: Any) -> None:
        """Raise a ValueError if it is said to be a mean over rows, being one number, and is none."""
        if not (isinstance(given, Tensor) and given.numel() == 1):
            return
        if self._uneven:
            raise ValueError(
                f"the mean of {self._uneven} with weights or ignored rows is not one over rows, and would be another with each number "
                'of workers; give Training.loss torch\'s own module or function, or return (sum, weight): the loss with reduction="sum" '
                "and the sum of the weights of the rows that count"
            )
        if any(given is each for each in self._sums):
            raise ValueError(NO_SUM)


NO_SUM = (
    'a loss with reduction="sum" depends on the size of the batch and of the workers\' shares; leave the reduction at "mean", or '
    "return (sum, weight), which are divided after the sum over workers"
)
CLASSES = frozenset({functional.cross_entropy, functional.nll_loss, functional.linear_cross_entropy})
WEIGHING = CLASSES | {functional.mse_loss, functional.l1_loss}
"""torch's losses whose mean divides by weights."""


def _arguments(func: Callable[..., Any], *args: Any, **named: Any) -> dict[str, Any]:
    given = _signature(func).bind(*args, **named).arguments
    classes = {"ignore_index": given.get("ignore_index")} if func in CLASSES else {}
    return {"target": given["target"], "weight": given.get("weight")} | classes


@lru_cache
def _signature(func: Callable[..., Any]) -> Signature:
    return signature(func)


def _uneven(*, target: Tensor, weight: Tensor | None, ignore_index: int | None = None) -> bool:
    """Whether a mean that torch takes is one over anything but rows; of probabilities instead of classes it is over rows."""
    if ignore_index is None:
        return weight is not None
    if target.is_floating_point():
        return False
    return weight is not None or bool((target == ignore_index).any())


@dataclass(frozen=True)
class ClassLoss:
    """``cross_entropy`` or ``nll_loss``: a sum and its weight where torch's mean is not over rows, else torch's mean as it is."""

    function: Callable[..., Tensor]
    weight: Tensor | None = None
    ignore_index: int = IGNORED
    label_smoothing: float = 0.0

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor | Pair:
        given: dict[str, Any] = {"weight": self.weight, "ignore_index": self.ignore_index}
        if self.label_smoothing:
            given["label_smoothing"] = self.label_smoothing
        if not _uneven(target=target, weight=self.weight, ignore_index=self.ignore_index):
            return self.function(prediction, target, **given)
        counted = target[target != self.ignore_index]
        weight = torch.tensor(counted.numel()) if self.weight is None else self.weight[counted].sum()
        return self.function(prediction, target, **given, reduction="sum"), weight


MODULES: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.CrossEntropyLoss: functional.cross_entropy,
    nn.NLLLoss: functional.nll_loss,
}
SETTINGS = ("weight", "ignore_index", "label_smoothing")


def recognised(loss: Loss) -> Loss:
    """``loss``; or where it is torch's own for classes, as a module, a function or a partial of it, one that weighs."""
    if isinstance(loss, partial) and not loss.args and loss.keywords.keys() <= {*SETTINGS, "reduction"}:
        return _weighing(loss.func, loss.keywords) if loss.func in MODULES.values() else loss
    for module, function in MODULES.items():
        if isinstance(loss, module) and type(loss).forward is module.forward:
            return _weighing(function, vars(loss) | loss._buffers)
    return _weighing(loss, {}) if loss in MODULES.values() else loss


def is_plain(loss: Loss) -> bool:
    """Whether a loss that is ``recognised`` is torch's own function, called with nothing but prediction and target, or one that weighs."""
    own = getattr(functional, getattr(loss, "__name__", ""), None) is loss and loss not in CLASSES
    return own or isinstance(loss, ClassLoss)


def _weighing(function: Any, settings: Mapping[str, Any]) -> Loss:
    return ClassLoss(function, **{name: settings[name] for name in SETTINGS if name in settings})


def refuse_reduced(loss: object) -> None:
    """A ValueError where a loss says itself that it is no mean."""
    settings: Mapping[str, Any] = loss.keywords if isinstance(loss, partial) else {}
    reduction = settings.get("reduction", getattr(loss, "reduction", "mean"))
    if reduction == "sum":
        raise ValueError(f"Training.loss: {NO_SUM}")
    if reduction == "none":
        raise ValueError('Training.loss must be a mean over rows or (sum, weight), got reduction="none"')


@dataclass(frozen=True, kw_only=True)
class MeanLoss:
    """A loss as a metric: a mean over rows, or sums divided by their weights. The order of summation is that of the batches.

    ``of`` names the output and the target that it is of, where there are several and it takes one.
    """

    loss: Loss
    of: str | None = None
    name: str = "loss"
    higher_is_better: bool = field(default=False, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        loss = recognised(self.loss)
        rows = len(next(iter(target.values())) if isinstance(target, Mapping) else target)
        if self.of is not None:
            prediction, target = one_of(prediction, self.of), one_of(target, self.of)
        this = found(lambda: loss(prediction, target), rows=rows)
        return {
            name: torch.tensor(n, dtype=torch.float64) for name, n in (("sum", this.total), ("weight", this.counted))
        }

    def merge(self, states: Sequence[State]) -> State:
        return summed(states)

    def result(self, state: State) -> float:
        return float(state["sum"] / state["weight"])


@dataclass(frozen=True)
class LossByName:
    """The weighted sum of a loss for each output, by the name that it and its target have.

    >>> LossByName({"kind": cross_entropy, "box": smooth_l1_loss}, {"box": 0.5})

    Each is a mean over rows; one whose ``weights`` do not name it counts once. Targets of other names are no loss's.
    """

    losses: Mapping[str, Callable[[Any, Any], Tensor]]
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.losses or not self.weights.keys() <= self.losses.keys():
            raise ValueError(
                f"LossByName needs losses, and weights of theirs alone, got losses {[*self.losses]}, weights {[*self.weights]}"
            )

    def __call__(self, prediction: Mapping[str, Any], target: Mapping[str, Any]) -> Tensor:
        for given, what in ((prediction, "an output"), (target, "a target")):
            self._refuse_unnamed(given, what)
        means = [self._mean(name, loss(prediction[name], target[name])) for name, loss in self.losses.items()]
        return torch.stack(means).sum()

    def _refuse_unnamed(self, given: Any, what: str) -> None:
        names = sorted(given) if isinstance(given, Mapping) else type(given).__name__
        if isinstance(names, str) or not self.losses.keys() <= set(names):
            raise ValueError(
                f"LossByName needs {what} of each name in {[*self.losses]}, got {names}; models that give a tuple are told the names by "
                "name_outputs, and labels are named by fit(label={name: columns})"
            )

    def _mean(self, name: str, given: Any) -> Tensor:
        if not isinstance(given, Tensor):
            raise TypeError(f"each loss of LossByName must be a mean over rows, got {_told(given)} of {name!r}")
        return self.weights.get(name, 1.0) * given
