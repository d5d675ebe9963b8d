"""The benchmarks' data: MNIST from its files, and random pictures."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd


def mnist(folder: Path, part: str) -> pd.DataFrame:
    """``part`` is train or t10k: a column of 784 pixels and one of the digit."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return pd.DataFrame({"pixels": list(images.astype("float32")), "digit": labels.astype("int64")})


def unpacked(folder: Path, root: Path) -> Path:
    """Lay MNIST's files down below ``root`` as torchvision looks for them."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*-ubyte.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return root


def pictures(rows: int) -> pd.DataFrame:
    """Random pictures of the size that Inception takes; the speed does not depend on what is in them."""
    generator = np.random.default_rng(1)
    images = generator.standard_normal((rows, 3 * 224 * 224), dtype=np.float32)
    return pd.DataFrame({"pixels": list(images), "digit": generator.integers(0, 1000, rows)})
