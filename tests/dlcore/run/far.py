"""A training in one process whose run is elsewhere."""

import logging
import sys
from functools import partial

import pyarrow.dataset as ds
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Adam

from dlcore import Constant, Fitted, Training
from dlcore.storage.folder import Place
from dlcore.tracking.callbacks import OnProgress


def network(columns: int) -> nn.Module:
    return nn.Sequential(nn.Linear(columns, 256), nn.ReLU(), nn.Linear(256, 1))


def fit(parquet: str, folder: Place | None, *, epochs: int = 3, on_progress: OnProgress | None = None) -> Fitted:
    """Commits after each step, or nearly."""
    rows = ds.dataset(parquet)
    features = [name for name in rows.schema.names if name != "benign"]
    training = Training(
        model=partial(network, columns=len(features)),
        loss=binary_cross_entropy_with_logits,
        optimizer=Adam,
        schedule=Constant(lr=0.01),
        batch=128,
        epochs=epochs,
        seed=2,
        group_s=1e-4,
    )
    return training.fit(rows, features=features, label="benign", folder=folder, on_progress=on_progress)


def tell(parquet: str, folder: str) -> None:
    """Fit, saying on standard output what the log says, commits too."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
    fit(parquet, folder)
