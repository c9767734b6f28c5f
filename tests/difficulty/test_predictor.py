"""Predictions against explicit loops, their masks and calibrations, and the folder of a predictor."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from repro.canonical import digest
from repro.difficulty.predictor import DifficultyPredictor, Projections
from repro.difficulty.predictor_spec import TowersSpec
from repro.difficulty.towers import Towers
from repro.errors import UserError

Calibration = Literal["slope_bias", "temperature_bias", "none"]
CALIBRATIONS: tuple[Calibration, ...] = ("slope_bias", "temperature_bias", "none")
POOL, WIDTH_IN = 40, 6


def a_predictor(calibration: Calibration = "slope_bias", shared: bool = False) -> DifficultyPredictor:
    """Random weights everywhere, the calibrator's last layer and the standardisation included."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        towers = Towers(WIDTH_IN, TowersSpec(width=5, layers=2, calibration=calibration, shared=shared))
        for name, parameter in towers.named_parameters():
            torch.nn.init.normal_(parameter, std=0.5 if name.startswith("calibrator") else 2.0)
        towers.mean.normal_()
        towers.scale.uniform_(0.5, 2)
    return DifficultyPredictor(towers, embedder="tiny", provenance={"policies": ["a", "b"]}, training={"loss": [0.5]})


def pool() -> np.ndarray:
    return np.random.default_rng(0).normal(2, 3, (POOL, WIDTH_IN)).astype(np.float32)


def references(count: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return generator.choice(POOL, count, replace=False), generator.integers(0, 9, count) / 8


def by_hand(predictor: DifficultyPredictor, z: np.ndarray, keys: list[np.ndarray], truth: list[float]) -> float:
    """One failure rate, by loops over references and calibrator units in double precision."""
    scores = [sum(float(a) * float(b) for a, b in zip(z, key, strict=True)) / math.sqrt(len(z)) for key in keys]
    total = sum(math.exp(score) for score in scores)
    d = sum(math.exp(score) / total * rate for score, rate in zip(scores, truth, strict=True))
    d = min(max(d, 1e-3), 1 - 1e-3)
    logit = math.log(d / (1 - d))
    weights = {name: value.double().numpy() for name, value in predictor._towers.state_dict().items()}
    if predictor.spec.calibration != "none":
        mean = sum(truth) / len(truth)
        deviation = math.sqrt(sum((rate - mean) ** 2 for rate in truth) / len(truth))
        units = weights["calibrator.0.weight"] @ [mean, deviation] + weights["calibrator.0.bias"]
        units = np.array([u / 2 * (1 + math.erf(u / math.sqrt(2))) for u in units])
        first, second = weights["calibrator.2.weight"] @ units + weights["calibrator.2.bias"]
        positive = math.log1p(math.exp(first))
        if predictor.spec.calibration == "slope_bias":
            logit = logit * positive + math.tanh(second)
        else:
            logit = logit / min(max(positive, 0.01), 10) + math.tanh(second)
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_predictions_equal_explicit_loops(calibration: Calibration, shared: bool) -> None:
    predictor = a_predictor(calibration, shared)
    projections = predictor.project(pool())
    rows, truth = references()
    keys = [projections.reference[i] for i in rows]
    expected = [by_hand(predictor, z, keys, truth.tolist()) for z in projections.query]
    found = predictor.predict(projections, rows, truth)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.ptp(found) > 0.05


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_left_out_prediction_is_that_of_the_other_references(calibration: Calibration) -> None:
    predictor = a_predictor(calibration)
    projections = predictor.project(pool())
    rows, truth = references()
    expected = [
        predictor.predict(projections, np.delete(rows, i), np.delete(truth, i))[row] for i, row in enumerate(rows)
    ]
    found = predictor.left_out(projections, rows, truth)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    changed = truth.copy()
    changed[2] = 1 - changed[2]
    assert predictor.left_out(projections, rows, changed)[2] == found[2], "its own rate plays no part"


def test_attention_is_what_predictions_weigh_by() -> None:
    predictor = a_predictor("none")
    projections = predictor.project(pool())
    rows, truth = references()
    weights = predictor.attention(projections, np.array([5, 0]), rows)
    assert weights.shape == (2, 7)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(predictor.predict(projections, rows, truth)[[5, 0]], weights @ truth, atol=1e-6)


def test_large_scores_and_more_rows_than_a_block_do_not_matter() -> None:
    predictor = a_predictor()
    few = predictor.project(pool())
    rows, truth = references()
    many = Projections(np.tile(few.query, (20, 1)) * 100, np.tile(few.reference, (20, 1)))
    found = predictor.predict(many, rows, truth)
    assert np.isfinite(found).all()
    small = predictor.predict(Projections(few.query * 100, few.reference), rows, truth)
    np.testing.assert_allclose(found[:POOL], small, atol=1e-6)
    np.testing.assert_allclose(found[-POOL:], found[:POOL], atol=1e-6)


def test_projection_standardises_each_feature_and_then_each_row() -> None:
    predictor = a_predictor()
    weights = {name: value.double().numpy() for name, value in predictor._towers.state_dict().items()}
    row = (pool()[4].astype(float) - weights["mean"]) / weights["scale"]

    def normed(x: np.ndarray, part: str) -> np.ndarray:
        scaled: np.ndarray = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        return scaled * weights[f"{part}.weight"] + weights[f"{part}.bias"]

    for tower, found in zip(("query", "reference"), vars(predictor.project(pool())).values(), strict=True):
        x = normed(row, f"{tower}.0")
        x = weights[f"{tower}.1.weight"] @ x + weights[f"{tower}.1.bias"]
        x = np.array([u / 2 * (1 + math.erf(u / math.sqrt(2))) for u in x])
        x = weights[f"{tower}.4.weight"] @ x + weights[f"{tower}.4.bias"]
        np.testing.assert_allclose(found[4], normed(x, f"{tower}.5"), atol=1e-5)


@pytest.mark.parametrize(("shared", "parameters"), [(False, 5_978_932), (True, 2_989_492)])
def test_at_the_papers_size_there_is_one_adapter_or_the_two_of_the_code(shared: bool, parameters: int) -> None:
    towers = Towers(1536, TowersSpec(width=896, shared=shared))
    assert sum(parameter.numel() for parameter in towers.parameters()) == parameters


def test_a_digest_of_before_the_later_fields_stands() -> None:
    """With those at their defaults, the digest is of the five fields that there were."""
    predictor = a_predictor()
    weights = {
        name: [str(tensor.numpy().dtype), tensor.shape, hashlib.sha256(tensor.numpy().tobytes()).hexdigest()]
        for name, tensor in predictor._towers.state_dict().items()
    }
    towers = {"width": 5, "layers": 2, "dropout": 0.1, "shared": False, "calibration": "slope_bias"}
    before = {"version": 1, "towers": towers, "embedder": "tiny", "weights": weights}
    assert predictor.digest == digest(before, 64)
    clip = Towers(WIDTH_IN, TowersSpec(width=5, layers=2, clip=1e-4))
    clip.load_state_dict(predictor._towers.state_dict())
    assert DifficultyPredictor(clip, embedder="tiny", provenance={}, training={}).digest != predictor.digest


def test_an_unfitted_calibrator_changes_nothing() -> None:
    for calibration in CALIBRATIONS:
        towers = Towers(WIDTH_IN, TowersSpec(width=5, calibration=calibration))
        rates = torch.tensor([0.2, 0.5, 0.9])
        logits = towers.calibrated(rates, torch.tensor(0.3), torch.tensor(0.2))
        torch.testing.assert_close(torch.sigmoid(logits), rates)


def test_without_identity_start_the_calibrator_begins_as_torch_draws_its_layers() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        towers = Towers(WIDTH_IN, TowersSpec(width=5, identity_start=False))
        torch.manual_seed(5)
        identity = Towers(WIDTH_IN, TowersSpec(width=5, identity_start=True))
    assert towers.calibrator is not None and identity.calibrator is not None
    first, _, last = towers.calibrator
    for layer, inside in ((first, 2), (last, 10)):
        bound = 1 / math.sqrt(inside)  # of nn.Linear: weights and biases uniform between these
        values = torch.cat([layer.weight.ravel(), layer.bias])
        assert 0.5 * bound < values.abs().max() <= bound and values.unique().numel() == values.numel()
    assert torch.equal(first.weight, identity.calibrator[0].weight), "nothing else depends on it"
    rates = torch.tensor([0.2, 0.5, 0.9])
    found = torch.sigmoid(towers.calibrated(rates, torch.tensor(0.3), torch.tensor(0.2)))
    assert (found - rates).abs().max() > 0.01


@pytest.mark.parametrize("shared", [False, True])
def test_a_saved_predictor_predicts_the_same_bits(tmp_path: Path, shared: bool) -> None:
    predictor = a_predictor("temperature_bias", shared)
    predictor.save(tmp_path / "p")
    back = DifficultyPredictor.load(tmp_path / "p", embedder="tiny")
    rows, truth = references()
    assert (back.spec, back.width_in, back.embedder) == (predictor.spec, WIDTH_IN, "tiny")
    assert (back.digest, back.provenance, back.training) == (
        predictor.digest,
        {"policies": ["a", "b"]},
        {"loss": [0.5]},
    )
    expected = predictor.predict(predictor.project(pool()), rows, truth)
    np.testing.assert_array_equal(back.predict(back.project(pool()), rows, truth), expected)


def test_the_digest_follows_what_predictions_depend_on() -> None:
    one = a_predictor()
    other = DifficultyPredictor(one._towers, embedder="tiny", provenance={}, training={})
    assert other.digest == one.digest
    assert DifficultyPredictor(one._towers, embedder="huge", provenance={}, training={}).digest != one.digest
    with torch.no_grad():
        other._towers.mean[0] += 1
    assert other.digest != a_predictor().digest


def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no card"):
        DifficultyPredictor.load(tmp_path)
    a_predictor().save(tmp_path)
    with pytest.raises(UserError, match="embeddings of 'tiny', but the questions are embedded by 'huge'"):
        DifficultyPredictor.load(tmp_path, embedder="huge")
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"version": 0}))
    with pytest.raises(UserError, match="version is 0, expected 1"):
        DifficultyPredictor.load(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(card | {"width_in": 7}))
    with pytest.raises(UserError, match="not a whole difficulty predictor"):
        DifficultyPredictor.load(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(card))
    weights = bytearray((tmp_path / "towers.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "towers.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="its digest differs"):
        DifficultyPredictor.load(tmp_path)
    (tmp_path / "towers.safetensors").write_bytes(weights[:50])
    with pytest.raises(UserError, match="not a whole difficulty predictor"):
        DifficultyPredictor.load(tmp_path)


def test_rows_and_rates_that_do_not_fit_are_refused() -> None:
    predictor = a_predictor()
    with pytest.raises(ValueError, match=r"expected \(N, 6\)"):
        predictor.project(pool()[:, :5])
    broken = pool()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        predictor.project(broken)
    projections = predictor.project(pool())
    for rows, truth, said in (
        ([0, 1], [0.5], "expected two equal"),
        ([0, POOL], [0.5, 0.5], f"below {POOL}"),
        ([-1, 1], [0.5, 0.5], "expected row numbers"),
        ([1, 1], [0.5, 0.5], "occur twice"),
        ([0, 1], [0.5, 1.1], "expected 0 to 1"),
        ([], [], "K >= 1"),
    ):
        with pytest.raises(ValueError, match=said):
            predictor.predict(projections, np.array(rows, dtype=int), np.array(truth))
    with pytest.raises(ValueError, match="K >= 2"):
        predictor.left_out(projections, np.array([0]), np.array([0.5]))
