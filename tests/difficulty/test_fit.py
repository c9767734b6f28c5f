"""The fit finds a planted difficulty that carries over to new questions and a new policy."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from repro.difficulty.baselines import trained, untrained
from repro.difficulty.evaluate import evaluate_predictor
from repro.difficulty.fit import _rate, _split, fit_predictor
from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import FitSpec, TowersSpec
from tests.difficulty.worlds import planted

FITTED = 300
SMALL = TowersSpec(width=32)


def fitted(seed: int = 0, epochs: int = 6, towers: TowersSpec = SMALL) -> DifficultyPredictor:
    embeddings, rates = planted(500, 5)
    fit = FitSpec(epochs=epochs, batch_size=64, references=16, seed=seed)
    return fit_predictor(
        embeddings[:FITTED], rates[:4, :FITTED], towers, fit, embedder="planted", provenance={"policies": 4}
    )


@pytest.mark.parametrize("towers", [SMALL, TowersSpec(width=32, shared=True, calibration="temperature_bias")])
def test_it_beats_untrained_embeddings_on_new_questions_of_a_new_policy(towers: TowersSpec) -> None:
    embeddings, rates = planted(500, 5)
    predictor = fitted(towers=towers)
    methods = {
        "trained": trained(predictor, embeddings[FITTED:]),
        "untrained": untrained(embeddings[FITTED:]),
    }
    found = evaluate_predictor(methods, rates[4, FITTED:], references=16, group_size=8, batch=32, repeats=5).record
    assert found["methods"]["trained"]["pearson"]["low"] > 0.6
    assert found["differences"]["untrained"]["pearson"]["low"] > 0.05
    assert found["differences"]["untrained"]["mse"]["high"] < 0


def test_the_record_has_the_curves_and_what_they_must_beat() -> None:
    seen: list[tuple[int, int]] = []
    embeddings, rates = planted(100, 2)
    fit = FitSpec(epochs=3, batch_size=50, references=80)
    record = fit_predictor(
        embeddings, rates, SMALL, fit, embedder="e", provenance={}, progress=lambda *at: seen.append(at)
    ).training
    assert (record["questions"], record["validation_questions"], record["policies"]) == (100, 10, 2)
    assert (record["references"], record["batch_size"]) == (45, 45), "half of the 90 fitted questions, and the rest"
    assert record["updates"] == 3 * 4
    assert seen == [(done, 12) for done in range(1, 13)]
    assert len(record["train_loss"]) == len(record["validation_loss"]) == len(record["validation_pearson"]) == 3
    assert 0 < record["validation_loss"][-1] < record["validation_loss_of_mean"] < 1


def test_the_same_seed_gives_the_same_bits_and_leaves_torch_alone() -> None:
    state = torch.random.get_rng_state()
    one, same, other = fitted(epochs=1), fitted(epochs=1), fitted(seed=1, epochs=1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert one.digest == same.digest != other.digest
    assert one.training["validation_loss"] == same.training["validation_loss"]


def test_held_back_questions_are_neither_fitted_nor_references() -> None:
    split = _split(50, FitSpec(), np.random.default_rng(0))
    assert sorted([*split.fitted, *split.validation]) == list(range(50))
    assert len(split.validation) == 5
    assert set(split.validation_references.ravel()) <= set(split.fitted)
    assert split.batch + split.references <= len(split.fitted)


def test_a_feature_that_never_varied_does_not_reach_the_towers() -> None:
    embeddings, rates = planted(60, 2)
    embeddings[:, 3] = 7.0
    one = fit_predictor(embeddings, rates, SMALL, FitSpec(epochs=1), embedder="e", provenance={})
    changed = embeddings.copy()
    changed[:, 3] = 1e4
    np.testing.assert_array_equal(one.project(changed).query, one.project(embeddings).query)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_nothing() -> None:
    shares = [_rate(done, 10, FitSpec(warm_up=0.2)) for done in range(11)]
    np.testing.assert_allclose(shares, [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])
    assert [_rate(done, 2, FitSpec(warm_up=0.0)) for done in range(3)] == [1, 0.5, 0]


def test_the_learning_rate_of_the_code_is_that_of_transformers() -> None:
    from transformers import get_linear_schedule_with_warmup

    for updates, rising in ((40, 4), (3000, 100)):
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        theirs = get_linear_schedule_with_warmup(optimizer, rising, updates)
        fit = FitSpec(warm_up=0.1, warm_up_most=100, warm_up_from="zero")
        for done in range(updates):
            assert _rate(done, updates, fit) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
            optimizer.step()
            theirs.step()


def test_without_held_back_questions_all_are_fitted_and_no_loss_is_told_of_them() -> None:
    embeddings, rates = planted(60, 2)
    fit = FitSpec(epochs=2, batch_size=50, references=8, held_out=0.0)
    record = fit_predictor(embeddings, rates, SMALL, fit, embedder="e", provenance={}).training
    assert record["validation_questions"] == 0 and record["validation_loss"] == []
    assert record["validation_loss_of_mean"] is None and len(record["train_loss"]) == 2
    assert sorted(_split(60, fit, np.random.default_rng(0)).fitted) == list(range(60))


@pytest.mark.parametrize("among", ["others", "all"])
def test_references_of_an_update_may_be_questions_of_its_batch_only_where_asked(
    monkeypatch: pytest.MonkeyPatch, among: Literal["others", "all"]
) -> None:
    from repro.difficulty.towers import Towers

    shared: list[int] = []
    forward = Towers.forward

    def watched(self: Towers, rows: Tensor, references: Tensor, truth: Tensor) -> Tensor:
        same = (rows[:, None] == references[None]).all(-1)  # (B, K)
        shared.append(int(same.sum()))
        return forward(self, rows, references, truth)

    monkeypatch.setattr(Towers, "forward", watched)
    embeddings, rates = planted(60, 1)
    fit = FitSpec(epochs=2, batch_size=30, references=30, references_among=among, held_out=0.0)
    fit_predictor(embeddings, rates, SMALL, fit, embedder="e", provenance={})
    assert (sum(shared) > 0) == (among == "all")


def test_towers_of_pass_rates_are_fitted_to_them_and_predict_failure_rates() -> None:
    embeddings, rates = planted(200, 3)
    fit = FitSpec(epochs=8, batch_size=64, references=16)
    for kind in ("failure_rate", "pass_rate"):
        towers = TowersSpec.model_validate({"width": 32, "rates": kind})
        predictor = fit_predictor(embeddings, rates[:2], towers, fit, embedder="e", provenance={})
        found = predictor.predict(predictor.project(embeddings), np.arange(16), 1 - rates[2, :16])
        assert np.corrcoef(found, 1 - rates[2])[0, 1] > 0.6


def test_embeddings_that_are_not_standardised_reach_the_towers_as_they_are() -> None:
    embeddings, rates = planted(60, 2)
    towers = TowersSpec(width=32, standardise=False)
    predictor = fit_predictor(embeddings, rates, towers, FitSpec(epochs=1), embedder="e", provenance={})
    assert (predictor._towers.mean == 0).all() and (predictor._towers.scale == 1).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    embeddings, rates = planted(20, 2)
    for bad, rows, said in (
        (rates.T, embeddings, r"expected \(N, W\) and \(P, N\)"),
        (rates[:, :4], embeddings[:4], "at least 5"),
        (rates + 1, embeddings, "expected 0 to 1"),
        (rates, embeddings * np.inf, "row 0 of the embeddings"),
    ):
        with pytest.raises(ValueError, match=said):
            fit_predictor(rows, bad, SMALL, FitSpec(), embedder="e", provenance={})
