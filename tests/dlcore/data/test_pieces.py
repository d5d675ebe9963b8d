"""Pieces: pieces come back as they were, mapped or copied, and a mapped gather is no part of this process's own memory."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from dlcore.data.feed import Feed, training_shares
from dlcore.data.layout import Layout, Part
from dlcore.data.order import Order
from dlcore.data.pieces import Pieces, read_piece, write_piece
from dlcore.data.rows import Mapped, Resident, Rows
from dlcore.storage.folder import Folder
from tests.dlcore.storage.unsteady import unsteady

LAYOUT = Layout(
    inputs=(Part(name="input", columns=("a", "b"), dtype="float32", packed=True),),
    targets=(Part(name="target", columns=("y",), dtype="int64"),),
)


def piece(start: int, rows: int, width: int = 2) -> dict[str, np.ndarray]:
    numbers = np.arange(start, start + rows)
    return {"input": np.stack([numbers] * width, axis=1).astype("float32"), "target": numbers}


def tensors(rows: Rows, indices: np.ndarray) -> tuple[Any, Any]:
    return rows.layout.pair(rows.gather(indices))


def on_another_system(path: Path) -> Folder:
    """A folder that pyarrow reaches through a file system of its own, not as one of this machine's."""
    path.mkdir()
    return Folder("run", SubTreeFileSystem(str(path), LocalFileSystem()))


@pytest.mark.parametrize(
    "kind", [lambda path: Folder(str(path)), lambda path: Folder.of(f"file://{path}"), on_another_system]
)
def test_mapped_and_resident_rows_are_the_same(
    kind: Callable[[Path], Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    folder = kind(tmp_path / "there")
    sizes = [3, 1, 10]
    for number, size in enumerate(sizes):
        write_piece(folder, f"{number}.arrow", piece(sum(sizes[:number]), size))
    files = tuple(f"{number}.arrow" for number in range(3))
    shards = Pieces(layout=LAYOUT, files=files, rows=tuple(sizes), bytes=1, fingerprint="f")
    resident = Pieces.from_json(shards.to_json()).open(folder)
    mapped = Pieces.from_json(shards.to_json()).open(folder, resident_bytes=0)
    assert isinstance(resident, Resident)
    assert isinstance(mapped, Mapped)
    wanted = np.array([13, 0, 3, 2, 4, 4])
    for rows in (resident, mapped):
        inputs, targets = tensors(rows, wanted)
        assert targets.tolist() == wanted.tolist()
        assert torch.equal(inputs, torch.tensor(wanted).float().reshape(-1, 1).expand(-1, 2))
        assert tensors(rows, wanted[:0])[0].shape == (0, 2)
    copies = list(tmp_path.glob("dlcore-*"))
    assert len(copies) == (kind is on_another_system)
    del rows, mapped
    gc.collect()
    assert not list(tmp_path.glob("dlcore-*"))


def test_gathering_ahead_gives_each_row_once_wherever_it_begins(tmp_path: Path) -> None:
    write_piece(Folder(str(tmp_path)), "0.arrow", piece(0, 1000))
    rows = Mapped(LAYOUT, [read_piece(Folder(str(tmp_path)), "0.arrow", LAYOUT)], window=200)
    order = Order(rows=1000, batch=64, seed=1, window=200)
    feeds = [
        Feed(rows, training_shares(order, held=range(rank, rank + 1), shares=2), count=order.steps) for rank in range(2)
    ]
    seen = [feeds[rank](step).targets for step in range(order.steps) for rank in range(2)]
    assert sorted(torch.cat(seen).tolist()) == list(range(1000))
    assert feeds[0](3).targets.tolist() == order.at(3)[:32].tolist()


@pytest.mark.parametrize("kind", [lambda path: Folder(str(path)), on_another_system])
def test_mapped_data_is_not_the_process_own_memory(
    kind: Callable[[Path], Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    folder = kind(tmp_path / "there")
    pieces = [write_piece(folder, f"{number}.arrow", piece(number * 50_000, 50_000, width=100)) for number in range(6)]
    size = sum(each.bytes for each in pieces)
    before = own_bytes()
    rows = Pieces.of(LAYOUT, pieces, "f").open(folder, resident_bytes=0)
    assert isinstance(rows, Mapped)
    order = Order(rows=rows.count, batch=1000, seed=1, window=50_000)
    eat = Feed(rows, training_shares(order, held=range(1), shares=1), count=order.steps)
    total = sum(int(eat(step).targets.sum()) for step in range(order.steps))
    assert total == 300_000 * 299_999 // 2
    assert own_bytes() - before < size / 3


def own_bytes() -> int:
    """Anonymous memory of this process: what the kernel cannot drop and read again."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) * 1024


@pytest.mark.parametrize("bytes_", [1, 10**12])
def test_the_window_is_all_rows_where_memory_holds_them(bytes_: int) -> None:
    shards = Pieces(layout=LAYOUT, files=("f",), rows=(10**9,), bytes=bytes_, fingerprint="f")
    assert shards.window == (10**9 if bytes_ == 1 else 2**27 * 10**9 // 10**12)


def test_copying_shows_signs_and_begins_again_where_it_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "here"))
    system, calls = unsteady(0)
    folder, signs = Folder(str(tmp_path / "there"), system), list[int]()
    pieces = [write_piece(folder, f"{number}.arrow", piece(number * 10, 10)) for number in range(3)]
    index = Pieces.of(LAYOUT, pieces, "f")

    def sign_until_the_second() -> None:
        signs.append(1)
        if len(signs) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.open(folder, resident_bytes=0, sign=sign_until_the_second)
    before = calls.calls["open_input_file"]
    rows = index.open(folder, resident_bytes=0, sign=lambda: signs.append(1))
    assert (before, calls.calls["open_input_file"]) == (2, 4), "the first piece was there"
    assert len(signs) == 2 + 2 + 3
    assert tensors(rows, np.arange(30))[1].tolist() == list(range(30))
    del rows
    gc.collect()
    assert index.open(folder, sign=lambda: signs.append(1)).count == 30
    assert len(signs) == 7 + 3
