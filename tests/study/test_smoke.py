"""A smoke study keeps its arms, is valid by the same checks, and is small."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from repro.models.model_spec import TinyModel
from repro.spec.schema import Spec
from repro.study.checks import check
from repro.study.estimate import estimate
from repro.study.expand import expand
from repro.study.load import load_spec, parse_spec, resolved_yaml
from repro.study.neighbours import Neighbours
from repro.study.smoke import shrink
from tests.conftest import Load

FOLDER = Path(__file__).parents[2] / "experiments"
EXPERIMENTS = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "accelerate")

HARD = """\
name: hard
model: {tiny: {width: 48, heads: 2}}
dataset: {arithmetic: {pool: 4096}, limits: {train: 100, test: 8}}
train: {questions_per_step: 64, group_size: 16, minibatches: 8, max_completion_tokens: 64}
evaluate: {questions: 5, base_temperatures: []}
arms:
  tenth: {selection: {method: random, fraction: 0.7}, train: {questions_per_step: 64, learning_rate: 1e-5}}
  rates: {selection: {method: pass_rate, samples: 32, band: {low: 0.01, high: 0.99}}}
  narrow: {selection: {method: confidence, band: {low: 0.0, high: 0.99, scale: quantile}}}
  dots: {selection: {method: difficulty, references: 90}}
  rr: {extends: dots, replay: {fresh: 0.984375, capacity: 1}}
  rr_little: {extends: dots, replay: {fresh: 0.015625, capacity: 63}}
  rr_late: {extends: rr, replay: {fresh: 0.5, capacity: 32, short: shrink, warm_up: 9}}
  rr_code: {extends: rr_late, replay: {filter: draw, per_question: latest}}
  rr_other: {extends: rr_little, replay: {short: wait, draw: prioritised, max_age: 3}}
axes: {selection.fraction: [0.7, 0.9], train.learning_rate: [1e-4, 2e-4], selection.references: [80, 90]}
seeds: [5, 6]
sweep: {arm: tenth, space: {selection.fraction: {float: [0.65, 0.9]}, train.group_size: {choice: [8, 16]}}, trials: 40}
"""


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_shipped_study_shrinks_to_a_valid_one(path: Path) -> None:
    _is_small_and_valid(load_spec(path, smoke=True).spec, load_spec(path).spec)


def test_a_study_with_everything_shrinks_to_a_valid_one(load: Load) -> None:
    small, spec = load(HARD, smoke=True).spec, load(HARD).spec
    _is_small_and_valid(small, spec)
    assert small.arms["tenth"].train == {"learning_rate": 1e-5}
    assert small.axes == {"selection.fraction": [0.7], "train.learning_rate": [1e-4]}
    assert small.evaluate.questions == 5
    kept = small.arms["rr_code"].replay
    assert kept is not None
    assert (kept.warm_up, kept.short, kept.filter, kept.per_question) == (1, "shrink", "draw", "latest")
    assert small.dataset[0].limits.train == 100
    assert small.model[0].tiny is not None
    assert small.model[0].tiny.warm_start.updates == 40
    assert small.sweep is not None
    assert list(small.sweep.space) == ["selection.fraction"]
    assert small.sweep.trials == 2


def _is_small_and_valid(small: Spec, spec: Spec) -> None:
    assert small.name == f"{spec.name}-smoke"
    assert check(small, {}) == []
    assert parse_spec(yaml.safe_load(resolved_yaml(small))) == small
    assert list(small.arms) == list(spec.arms)
    cells = list(expand(small))
    baseline = spec.report.baseline or next(iter(spec.arms))
    small_pairs, pairs = (
        {(cell.model.label, cell.dataset.label) for cell in expand(one) if cell.arm == baseline}
        for one in (small, spec)
    )
    assert small_pairs == pairs
    assert len(cells) <= len(spec.arms) + len(spec.model) * len(spec.dataset)
    for name, arm in spec.arms.items():
        assert small.arms[name].selection.method == arm.selection.method
        assert (small.arms[name].replay is None) == (arm.replay is None)
    assert len(small.seeds) == 1
    assert (small.train.steps, small.train.questions_per_step, small.evaluate.samples) == (2, 8, 1)
    for cell in cells:
        assert cell.train.steps * cell.train.questions_per_step * cell.train.group_size == 32
        cost = estimate(cell, Neighbours([]))
        assert cost.probes is not None
        # An oracle measures the pool, once.
        oracle = "oracle" in (cell.selection.method, getattr(cell.selection, "predictor", None))
        assert cost.probes <= (2 * 128 if oracle else 64)


def test_the_shipped_policy_is_kept_and_any_other_is_warmed_up_shortly(load: Load) -> None:
    assert load("arms: {full: {}}\n", smoke=True).spec.model[0].tiny == TinyModel()
    other = load("arms: {full: {}}\n", ["model.tiny.warm_start.updates=1000"], smoke=True).spec.model[0].tiny
    assert other is not None
    assert other.warm_start.updates == 40
    short = load("arms: {full: {}}\n", ["model.tiny.warm_start.updates=7"], smoke=True).spec.model[0].tiny
    assert short is not None
    assert short.warm_start.updates == 7


def test_a_budget_gives_way_to_two_steps(load: Load) -> None:
    spec = load("arms: {full: {}}\nbudget: {tokens: 10}\n").spec
    assert shrink(spec).budget is None
    assert shrink(spec).train.steps == 2
    assert "steps: 2" in resolved_yaml(shrink(spec))


def test_an_arms_own_budget_and_curriculum_fit_into_two_steps(load: Load) -> None:
    arms = (
        "arms:\n  a: {selection: {method: curriculum, by: pass_rate}}\n  b: {budget: {epochs: 3}}\n"
        "  c: {selection: {method: confidence, band: {pass_rate: 0.5}}}\n"
    )
    small = load(arms, smoke=True).spec
    _is_small_and_valid(small, load(arms).spec)
    assert small.arms["a"].selection.stages == 2  # type: ignore[union-attr]
    assert small.arms["b"].budget is None
    assert small.arms["c"].selection.band.questions == 8  # type: ignore[union-attr]


def test_what_the_hub_has_is_made_up_and_said_so_and_local_questions_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    path = next(path for path in EXPERIMENTS if path.stem == "qwen2.5-math-1.5b_math")
    loaded = load_spec(path, smoke=True)
    said = (
        "note: made-up stand-in questions in the field layout of MATH, gsm8k, math500, minerva, olympiadbench: --smoke"
    )
    assert loaded.notes[-1].startswith(said)
    assert loaded.spec.dataset[0].stand_in and all(one.stand_in for one in loaded.spec.evaluate.benchmarks)
    small = loaded.spec.dataset[0]
    assert (small.filters, small.without, small.test_named) == ({"level": [3, 4, 5]}, ("math500",), "math500")

    for name in ("math", "math500", "gsm8k"):
        for role in ("train", "test"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{role}.jsonl").write_text("{}")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    loaded = load_spec(path, smoke=True)
    assert not loaded.spec.dataset[0].stand_in
    assert [one.label for one in loaded.spec.evaluate.benchmarks if one.stand_in] == ["minerva", "olympiadbench"]
