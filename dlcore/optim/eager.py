"""torch's optimizers without torch's compiler.

An optimizer's first call imports the compiler, only to tell it to leave the optimizer alone: four seconds of processor time in each
process, more than torch itself takes. Nothing here is compiled, so the functions are called as they are written.
"""

import inspect
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer

from dlcore.optim.groups import ByName

MARKED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def build(optimizer: Callable[..., Optimizer], model: nn.Module, *, lr: float) -> Optimizer:
    """Make an optimizer; those of its methods that torch wraps for the compiler's sake are marked as needing nothing."""
    for name in MARKED:
        plain = inspect.unwrap(getattr(Optimizer, name))
        setattr(plain, "__dynamo_disable", plain)
    return optimizer(model.named_parameters() if isinstance(optimizer, ByName) else model.parameters(), lr=lr)


def stepper(optimizer: Optimizer) -> Callable[[], object]:
    """What makes ``optimizer`` take a step: torch's own step as it is written, anyone else's through all its wrappers."""
    own = type(optimizer).__module__.startswith("torch.optim.")
    if not own or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return optimizer.step
    plain = inspect.unwrap(type(optimizer).step)
    return torch.no_grad()(partial(plain, optimizer))
