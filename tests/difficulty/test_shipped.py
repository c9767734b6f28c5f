"""The predictor that ships with the package: the quickstart finds it, and it is the quickstart's own."""

from __future__ import annotations

from pathlib import Path

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.shipped import SHIPPED, shipped_predictor
from repro.models.policy import policy_digest
from repro.study.load import load_spec
from repro.training.predictors import built_key

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
MOST_BYTES = 1_000_000


def test_the_quickstart_finds_its_predictor_in_the_package() -> None:
    spec = load_spec(QUICKSTART).spec
    assert spec.predictor is not None
    (model,), (dataset,) = spec.model, spec.dataset
    folder = shipped_predictor(built_key(spec.predictor, dataset, None, spec.train.rollout, spec.reward))
    assert folder is not None, "the quickstart would train one: see repro/difficulty/assets/README.md"
    found = DifficultyPredictor.load(folder / "predictor")
    assert found.embedder == policy_digest(model, dataset)


def test_what_ships_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MOST_BYTES
