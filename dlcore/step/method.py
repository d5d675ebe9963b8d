"""What a training is: model, loss, optimizer, schedule, clipping, batch, epochs and seed, and nothing of where it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from dlcore.data.transform import Transform
from dlcore.optim.clipping import Clip
from dlcore.optim.eager import build
from dlcore.optim.penalties import Penalty
from dlcore.optim.schedules import Schedule, base_rate
from dlcore.parallel.finiteness import OnNan
from dlcore.step.losses import Loss, Pair, refuse_reduced
from dlcore.step.randomness import own_randomness, seed_all
from dlcore.step.triggers import EACH_EPOCH, Best, Moment, Trigger, Validation
from dlcore.step.tuning import Precision

KeptBatch = Literal["global", "worker"]


class TrainingStep(Protocol):
    """What a step minimises over the rows of ``inputs`` and ``targets``: a mean over them, or a sum and its weight.

    It calls ``model`` or what is in it as it likes, in training mode. Random numbers of torch, Python and numpy are a function of seed,
    step and rank; order, sums over workers, clipping, commits and recovery are as for any loss.
    """

    def __call__(self, model: Any, inputs: Any, targets: Any, /) -> Tensor | Pair: ...


@dataclass(frozen=True, kw_only=True)
class Method:
    """``optimizer`` is called with the parameters and ``lr``; ``batch`` is the global batch; ``loss`` gives a mean over rows, or a pair
    of a sum and its weight, which are divided after the sum over workers.

    ``lr`` is the schedule's first rate after a warm-up. Parameter groups that ``optimizer`` gives other rates keep their ratio to it.
    ``model`` is called with one tensor, or with several by keyword; ``loss`` with the prediction and one target, or a dict of them.
    ``step(model, inputs, targets)`` gives what a step minimises where that is not ``loss(model(inputs), targets)``, by which validation
    judges. No more than ``micro_batch`` rows go through a worker's model at a time; the gradients of a step are accumulated.
    ``penalty(model)`` is added to what a step minimises, once a step, and to no loss that is told (``dlcore.optim.penalties``).
    ``transform`` makes of a row what the model and the loss get (``dlcore.data.transform``).
    When the number of workers changes, ``kept_batch`` says which batch stays: the ``global`` one, and nothing else changes; or that of a
    ``worker``, and the global batch and the rate scale with the workers, of which ``batch`` is for the full number.
    With ``logical_workers`` the batch is cut into so many shares, whoever computes them: each has its own random numbers and batch
    statistics, and what they give is summed in one order. So the result is the same, bit for bit, on up to so many workers.
    With ``average_every`` workers sum no gradients: each takes its share of each batch as a batch of its own, by the rate and the optimizer
    as they are, and after every so many steps, and before whatever needs one state, all take the mean of what they have become.
    Batch normalisation sees a worker's rows; with ``sync_batchnorm`` those of the global batch. Modules that ``model`` gives in
    evaluation mode, and parameters that take no gradient, stay so.
    It ends after ``epochs``, or earlier when the trigger ``end`` says so; ``validate`` says after which steps the validation rows are
    judged. With ``keep_best`` the weights of the best validation stay, and are what is fitted.
    A step whose loss or gradient is not finite ends the run with an error that says where, or with ``on_nan="skip"`` changes nothing.
    ``precision`` is that of forward and backward: in bfloat16, weights, optimizer and sums over workers stay float32.
    """

    model: Callable[[], nn.Module]
    loss: Loss
    optimizer: Callable[..., Optimizer]
    schedule: Schedule
    batch: int
    epochs: int
    seed: int = 0
    clip: Clip | None = None
    penalty: Penalty | None = None
    precision: Precision = "float32"
    kept_batch: KeptBatch = "global"
    transform: Transform | None = None
    step: TrainingStep | None = None
    micro_batch: int | None = None
    sync_batchnorm: bool = False
    validate: Trigger = EACH_EPOCH
    end: Trigger | None = None
    keep_best: Best | None = None
    on_nan: OnNan = "stop"
    logical_workers: int | None = None
    average_every: int | None = None

    def __post_init__(self) -> None:
        if self.batch < 1 or self.epochs < 1:
            raise ValueError(
                f"Training.batch and Training.epochs must be at least 1, got batch={self.batch}, epochs={self.epochs}"
            )
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"Training.micro_batch must be at least 1, got {self.micro_batch}")
        if self.logical_workers is not None:
            self._refuse_unlike(self.logical_workers)
        if self.average_every is not None:
            self._refuse_together(self.average_every)
        refuse_reduced(self.loss)
        if self.seed < 0:
            raise ValueError(f"Training.seed must be zero or more, got {self.seed}")
        if self.precision not in get_args(Precision):
            raise ValueError(f"Training.precision must be one of {get_args(Precision)}, got {self.precision!r}")
        if self.on_nan not in get_args(OnNan):
            raise ValueError(f"Training.on_nan must be one of {get_args(OnNan)}, got {self.on_nan!r}")
        if self.kept_batch not in get_args(KeptBatch):
            raise ValueError(f"Training.kept_batch must be one of {get_args(KeptBatch)}, got {self.kept_batch!r}")

    def ends(self, moment: Moment) -> bool:
        """Whether a run is at its end."""
        return moment.place.epoch >= self.epochs or (self.end is not None and self.end(moment))

    def best(self, validations: Sequence[Validation]) -> int | None:
        """The step of the best of ``validations``; None where the best is not kept."""
        return None if self.keep_best is None else self.keep_best.best(validations)

    def _refuse_unlike(self, shares: int) -> None:
        if shares < 1:
            raise ValueError(f"Training.logical_workers must be at least 1, got {shares}")
        if self.kept_batch == "worker":
            raise ValueError(
                "Training.logical_workers gives the same result on any number of workers, kept_batch='worker' another batch on each; "
                "leave kept_batch at 'global'"
            )
        if self.sync_batchnorm:
            raise ValueError(
                "Training.sync_batchnorm computes all shares side by side, and logical_workers those of a worker one after the other; "
                "leave one of them out"
            )

    def _refuse_together(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"Training.average_every must be at least 1, got {steps}")
        plain = {"clip": None, "kept_batch": "global", "logical_workers": None, "sync_batchnorm": False}
        if unlike := [name for name, unset in plain.items() if getattr(self, name) != unset]:
            raise ValueError(
                "with Training.average_every each worker steps by itself, and no step has a gradient, batch statistics or a batch of all "
                f"workers, as is needed by {', '.join(unlike)}; leave one or the other out"
            )

    def refuse_workers(self, workers: int) -> None:
        """A ValueError where there are more workers than shares."""
        if self.logical_workers is not None and workers > self.logical_workers:
            raise ValueError(
                f"each worker needs a share of its own: Training.logical_workers={self.logical_workers} are for as many workers or "
                f"fewer, got workers={workers}"
            )

    def batch_of(self, workers: int, *, wanted: int) -> int:
        """The global batch while ``workers`` of the ``wanted`` workers are there."""
        return self.batch if self.kept_batch == "global" else max(1, round(self.batch * workers / wanted))

    def passes(self, rows: int, *, shares: int) -> int:
        """How many forward and backward passes each share takes in a step of so many rows, that the largest share needs."""
        largest = max(1, -(-rows // shares))
        return -(-largest // (self.micro_batch or largest))

    def build(self) -> nn.Module:
        """A new model, its weights a function of the seed."""
        with own_randomness():
            seed_all(self.seed)
            model = self.model()
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ValueError(f"Training.model must return a module with trainable parameters, got {model}")
        return model

    def optimize(self, model: nn.Module) -> Optimizer:
        """A new optimizer of the model's parameters at the schedule's base rate."""
        optimizer = build(self.optimizer, model, lr=base_rate(self.schedule))
        if isinstance(optimizer, LBFGS):
            raise TypeError("Training.optimizer must take one gradient a step; LBFGS evaluates the loss several times")
        return optimizer


class Asynchronous(nn.Module):
    """A module whose predictions are computed beside Python, ``requests`` at a time, or, with none, when they are waited for."""

    @property
    def requests(self) -> int:
        raise NotImplementedError

    def start(self, inputs: Any) -> Callable[[], Any]:
        """Begin; what it returns waits for the prediction."""
        raise NotImplementedError

    def activation_bytes(self, inputs: Any) -> int:
        """The bytes of ``inputs`` and of what its layers make of them."""
        raise NotImplementedError


def started(model: nn.Module, inputs: Any) -> Callable[[], Any]:
    """The model's prediction as a function: an asynchronous model may begin now, any other begins when it is called."""
    return model.start(inputs) if isinstance(model, Asynchronous) else lambda: predicted(model, inputs)


def predicted(model: nn.Module, inputs: Any) -> Any:
    """The model's prediction: several inputs go by keyword."""
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


def name_outputs(model: nn.Module, *names: str) -> nn.Module:
    """``model``, whose outputs, a tuple, are a dict by these ``names`` in their order from now on; its weights keep their own."""
    model.register_forward_hook(_NamedOutputs(names))
    return model


@dataclass(frozen=True)
class _NamedOutputs:
    """A forward hook."""

    names: tuple[str, ...]

    def __call__(self, model: nn.Module, inputs: Any, outputs: Any) -> dict[str, Any]:
        if not isinstance(outputs, tuple | list) or len(outputs) != len(self.names):
            given = f"{len(outputs)}" if isinstance(outputs, tuple | list) else type(outputs).__name__
            raise TypeError(
                f"name_outputs needs a model that gives a tuple, one output a name of {[*self.names]}, got {given}"
            )
        return dict(zip(self.names, outputs, strict=True))


def in_float32(prediction: Any) -> Any:
    """A prediction, or each in a dict, list or tuple of them, as the loss takes it."""
    if isinstance(prediction, Tensor):
        return prediction.float()
    if isinstance(prediction, Mapping):
        return {name: in_float32(each) for name, each in prediction.items()}
    return type(prediction)(map(in_float32, prediction)) if type(prediction) in (list, tuple) else prediction


def align(prediction: Any, target: Any) -> tuple[Any, Any]:
    """Give a one-output model its target in the shape and type of the prediction; class numbers stay as they are.

    ``[rows, 1]`` against ``[rows]`` would broadcast to ``[rows, rows]`` in many a loss, and whole numbers fail in most. What differs
    in more than that last 1 is the loss's to judge. Of predictions and targets by name, those of one name are aligned.
    """
    if isinstance(prediction, Mapping) and isinstance(target, Mapping):
        aligned = {name: align(prediction.get(name), each)[1] for name, each in target.items()}
        return prediction, aligned
    if isinstance(prediction, Tensor) and isinstance(target, Tensor):
        ours, theirs = prediction.shape, target.shape
        if ours == theirs or ours == (*theirs, 1) or (*ours, 1) == theirs:
            return prediction, target.reshape(ours).to(prediction.dtype)
    return prediction, target
