"""The networks that members of the fraud ensemble may be, how one is fitted, and what search tries.

The perceptron's setting was chosen among some hundred; time-ordered folds of the rows before the test rows cannot tell the better ones
apart. TRIED.md says what was tried. The convolutional network's was not tuned.
"""

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD, AdamW, Optimizer

from dlcore import ClipNorm, Cosine, Training, Warmup, scale_by_root, scale_linearly
from pipelines.binary.models.fitting import Fitting, Setting, grid
from pipelines.binary.models.networks import cnn, mlp

ADAMW = {"optimizer": "adamw", "lr": 1.5e-3, "weight_decay": 1e-4}
MLP: Setting = {"network": "mlp", "width": 64, "depth": 1, "dropout": 0.4, **ADAMW}
CNN: Setting = {"network": "cnn", "width": 16, "depth": 2, "dropout": 0.0, "lr": 0.025, "weight_decay": 3e-3}
WARMUP_SHARE = 0.1
OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {"sgd": partial(SGD, momentum=0.9), "adamw": AdamW}
SCALES = {"sgd": scale_linearly, "adamw": scale_by_root}
"""How an optimizer's rate follows the batch."""


def training(
    setting: Setting, network: Callable[[], nn.Module], rows: int, *, batch: int, epochs: int, seed: int
) -> Training:
    """The training of one member on a bag of ``rows``; the setting's rate holds at a batch of 256, of SGD unless it names another
    optimizer.
    """
    named = setting.get("optimizer", "sgd")
    steps = epochs * -(-rows // batch)
    warm = max(1, round(steps * WARMUP_SHARE))
    lr = SCALES[named](setting["lr"], batch=batch)
    return Training(
        model=network,
        loss=binary_cross_entropy_with_logits,
        optimizer=partial(OPTIMIZERS[named], weight_decay=setting["weight_decay"]),
        schedule=Warmup(start=0.0, steps=warm, then=Cosine(lr=lr, steps=steps - warm)),
        clip=ClipNorm(1.0),
        batch=batch,
        epochs=epochs,
        seed=seed,
    )


FITTING = Fitting(
    networks={"mlp": mlp, "cnn": cnn},
    settings={"mlp": (MLP,), "cnn": (CNN,), "mixed": (MLP, CNN)},
    grid=(
        *grid(
            network=["mlp"],
            width=[64],
            depth=[1, 2],
            dropout=[0.0, 0.4],
            optimizer=["adamw"],
            lr=[5e-4, 1.5e-3],
            weight_decay=[1e-4],
        ),
        *grid(network=["cnn"], width=[16], depth=[1, 2], dropout=[0.0], lr=[0.025], weight_decay=[3e-3]),
    ),
    training=training,
)
