"""DeepBit's losses are those of loops over single numbers, its codes those of numpy, and a training goes down on all three."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD

from dlcore import Artifact, Constant, Field, Fitted, Output, Training
from dlcore.step.method import Method
from dlcore.zoo.cutting import cut
from dlcore.zoo.deepbit import DeepBit, Objective, Pooled, begin, changed_bits, packed
from dlcore.zoo.mobilenet_ssd import mobilenet_ssd
from dlcore.zoo.projections import itq, random_projection
from tests.dlcore.step.ranks import resident, trained, weights

TURNS, WIDE = 5, 12
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def turned() -> Floats:
    """[240, 5, 12]: rows about six centres, that a turn moves in two of the directions."""
    random = np.random.default_rng(2)
    rows = random.standard_normal((6, WIDE))[random.integers(0, 6, 240)] + 0.4 * random.standard_normal((240, WIDE))
    moves = np.zeros((240, TURNS, WIDE))
    moves[..., :2] = random.standard_normal((240, 1, 2)) * np.arange(-2, 3)[:, None]
    return (3 + rows[:, None] + moves).astype(np.float32)


def table(turned: Floats) -> pa.Table:
    rows = pa.FixedSizeListArray.from_arrays(pa.array(turned.reshape(-1)), TURNS * WIDE)
    return pa.table({"turned": rows, "number": np.arange(len(turned)), "features": [*turned[:, 2]]})


def started(turned: Floats, method: Any = random_projection) -> DeepBit:
    model = DeepBit(features=WIDE, bits=8)
    model.load_state_dict(begin(method(turned[:, 2], bits=8, seed=1), turned[:, 2]))
    return model


def test_it_begins_as_its_projection_and_packs_as_numpy_does(turned: Floats) -> None:
    for method in (random_projection, itq):
        codes = started(turned, method)(torch.from_numpy(turned))
        assert codes.dtype == torch.uint8 and codes.shape == (240, TURNS, 1)
        assert np.array_equal(codes[:, 2].numpy(), method(turned[:, 2], bits=8, seed=1)(turned[:, 2]))
    bits = torch.rand(7, 24) > 0.5
    assert np.array_equal(packed(bits).numpy(), np.packbits(bits.numpy(), axis=1))


@torch.no_grad()
def test_the_threshold_is_the_mean_training_activation(turned: Floats) -> None:
    model = started(turned)
    model.layer.weight.normal_()
    activations = model.activations(torch.from_numpy(turned[:, 2]))
    torch.testing.assert_close(activations.mean(dim=0), torch.full((8,), 0.5), atol=1e-5, rtol=0)
    model.load_state_dict(begin(itq(turned[:, 2], bits=8, seed=1), turned[:, 2]))
    spread = model.activations(torch.from_numpy(turned[:, 2])).std(dim=0)
    torch.testing.assert_close(spread, torch.full((8,), 0.5), atol=0.01, rtol=0)


def test_losses_are_the_papers_in_loops(turned: Floats) -> None:
    model, rows = started(turned), turned[:16]
    x = model.activations(torch.from_numpy(rows)).detach().numpy().astype(float)
    bits = (x[:, 2] > 0.5).astype(float)
    quantisation = sum((bits[n, k] - x[n, 2, k]) ** 2 for n in range(16) for k in range(8)) / (2 * 16)
    even = sum((bits[:, k].mean() - 0.5) ** 2 for k in range(8)) / (2 * 16)
    rotation = sum(
        math.exp(-((turn - 2) ** 2) / 2) * ((x[n, turn] - x[n, 2]) ** 2).sum()
        for n in range(16)
        for turn in range(TURNS)
    ) / (2 * 16)
    for objective, expected in (
        (Objective(even=0, rotation=0), quantisation),
        (Objective(quantisation=0, even=1 / 16, rotation=0), even),
        (Objective(quantisation=0, even=0, rotation=1), rotation),
        (Objective(even=1 / 16), quantisation + even + 0.001 * rotation),
    ):
        total, weight = objective(model, torch.from_numpy(rows), None)
        assert float(total.detach() / weight) == pytest.approx(expected, rel=1e-5) and float(weight) == 16


def test_gradients_of_the_first_two_losses_do_not_cancel(turned: Floats) -> None:
    model, rows = started(turned), torch.from_numpy(turned[:16])

    def gradient(**weights: float) -> Tensor:
        total, _ = Objective(**{"quantisation": 0.0, "even": 0.0, "rotation": 0.0, **weights})(model, rows, None)
        (found,) = torch.autograd.grad(total, [model.layer.weight])
        return found

    with torch.no_grad():
        seen = (rows[:, 2] - model.mean) / model.length
        x = model.activations(rows[:, 2])
        bits = (x > 0.5).float()
        wanted = (x - bits).T @ seen, ((bits.mean(dim=0) - 0.5).expand_as(x)).T @ seen
    for found, by_hand in zip((gradient(quantisation=1), gradient(even=1)), wanted, strict=True):
        torch.testing.assert_close(found, by_hand)
        assert found.abs().max() > 0.01


def test_n_workers_equal_one_but_for_the_even_distribution(turned: Floats) -> None:
    field = Field("turned", shape=(TURNS, WIDE))
    rows = resident(table(turned), features=field, label="number")
    plan = partial(
        Method, model=partial(started, turned), loss=changed_bits, optimizer=SGD, schedule=Constant(lr=0.1), batch=60, epochs=2
    )  # fmt: skip
    exact = Objective(even=0, rotation=1)
    one, three = (trained(plan(step=exact), workers, rows)[0][0] for workers in (1, 3))
    torch.testing.assert_close(weights(three), weights(one), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights(one), started(turned).layer.weight.detach().reshape(-1), atol=0.01)
    one, three = (trained(plan(step=Objective(even=1)), workers, rows)[0][0] for workers in (1, 3))
    assert not torch.equal(weights(three), weights(one))


def test_over_shares_the_even_distribution_is_larger_by_the_variance_of_their_means(turned: Floats) -> None:
    model, even = started(turned), Objective(quantisation=0, rotation=0)
    parts = [torch.from_numpy(part) for part in np.split(turned, 3)]
    means = torch.stack([(model.activations(part[:, 2]) > 0.5).float().mean(dim=0) for part in parts])
    whole = even(model, torch.from_numpy(turned), None)[0] / 240
    shares = sum(even(model, part, None)[0] for part in parts) / 240
    torch.testing.assert_close(shares - whole, means.var(dim=0, unbiased=False).sum() / 2)


def fitted(turned: Floats) -> tuple[Fitted, Fitted]:
    """Both stages."""
    plan = partial(
        Training, model=partial(DeepBit, features=WIDE, bits=8), loss=changed_bits, optimizer=partial(SGD, momentum=0.9),
        schedule=Constant(lr=0.2), batch=48, epochs=10, seed=3,
    )  # fmt: skip
    rows, field = table(turned), Field("turned", shape=(TURNS, WIDE))
    start = begin(random_projection(turned[:, 2], bits=8, seed=1), turned[:, 2])
    first = plan(step=Objective(rotation=0)).fit(rows, features=field, label="number", start=start, validation=rows)
    second = plan(step=Objective(rotation=1)).fit(rows, features=field, label="number", start=first, validation=rows)
    return first, second


def test_two_stages_train_and_an_artifact_gives_bytes(turned: Floats, tmp_path: Path) -> None:
    first, second = fitted(turned)
    assert first.history[-1].loss < first.history[0].loss
    changed = [each.history[-1].validation or 0 for each in (first, second)]
    assert 0 < changed[1] < changed[0] * 0.8, "the second stage makes codes of turned pictures alike"
    rows = table(turned)
    artifact = Artifact.save(
        str(tmp_path), model="deepbit", arguments={"features": WIDE, "bits": 8}, tensors=second.module.state_dict(),
        details={}, features="features", outputs={"code": Output("binary")}, models={"deepbit": DeepBit},
    )  # fmt: skip
    scored = artifact.predict(rows)
    codes = second.module(torch.from_numpy(turned[:, 2]))
    assert scored["code"].to_pylist() == [bytes(code.tolist()) for code in codes]


def test_changed_bits_counts_those_that_a_turn_changes() -> None:
    codes = torch.tensor([[[0b1111], [0b0000], [0b0001]], [[7], [7], [7]]], dtype=torch.uint8)
    assert float(changed_bits(codes, None)) == pytest.approx((4 + 1) / (2 * 2 * 8))


@torch.no_grad()
def test_codes_of_pictures_through_a_detectors_backbone() -> None:
    torch.manual_seed(1)
    pooled = Pooled(cut(mobilenet_ssd(classes=4).eval(), "backbone.to_32"))
    crops = torch.randint(0, 256, (2, TURNS, 64, 64, 3), dtype=torch.uint8)
    features = pooled(crops)
    assert features.shape == (2, TURNS, 1280)
    torch.testing.assert_close(features[1, 2], pooled(crops[1, 2:3])[0])
    model = nn.Sequential(pooled, DeepBit(features=1280, bits=16))
    assert model(crops[:, 2]).shape == (2, 2) and model(crops[:, 2]).dtype == torch.uint8


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        DeepBit(features=4, bits=12)
    model = DeepBit(features=4, bits=8)
    for wrong in (torch.zeros(3, 4), torch.zeros(3, 4, 4)):
        with pytest.raises(ValueError, match="an odd number of turns"):
            Objective()(model, wrong, None)
    same = np.ones((9, 12), np.float32)
    with pytest.raises(ValueError, match="features must vary"):
        begin(random_projection(same, bits=8, seed=1), same)
