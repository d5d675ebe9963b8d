"""The network that members of the ensemble are, how one is fitted, and what search tries: all rows, none drawn twice.

It sees each feature by bins too, cut where the label changes: without them it stays behind trees, which find thresholds themselves.
"""

from collections.abc import Callable
from functools import partial

from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW

from apps.handbook.columns import BINS
from dlcore import ClipNorm, Cosine, Training, Warmup
from pipelines.binary.models.fitting import Fitting, Setting, grid
from pipelines.binary.models.networks import mlp

MLP: Setting = {
    "network": "mlp",
    "bins": BINS,
    "width": 256,
    "depth": 1,
    "dropout": 0.2,
    "lr": 3.4e-3,
    "weight_decay": 1e-4,
}
WARMUP_SHARE = 0.05


def training(
    setting: Setting, network: Callable[[], nn.Module], rows: int, *, batch: int, epochs: int, seed: int
) -> Training:
    """The training of one member on ``rows``; the setting's rate is that of AdamW at the batch given."""
    steps = epochs * -(-rows // batch)
    warm = max(1, round(steps * WARMUP_SHARE))
    return Training(
        model=network,
        loss=binary_cross_entropy_with_logits,
        optimizer=partial(AdamW, weight_decay=setting["weight_decay"]),
        schedule=Warmup(start=0.0, steps=warm, then=Cosine(lr=setting["lr"], steps=steps - warm)),
        clip=ClipNorm(1.0),
        batch=batch,
        epochs=epochs,
        seed=seed,
    )


FITTING = Fitting(
    networks={"mlp": mlp},
    settings={"mlp": (MLP,)},
    grid=grid(
        network=["mlp"],
        bins=[BINS],
        width=[256],
        depth=[1, 2],
        dropout=[0.0, 0.2],
        lr=[1e-3, 3e-3],
        weight_decay=[1e-4],
    ),
    training=training,
)
