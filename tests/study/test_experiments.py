"""The shipped studies: each loads without a warning, plans and can be reported, and its header tells its cost."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from repro.spec.artefacts import ARTEFACTS
from repro.spec.schema import Spec
from repro.study.load import load_spec
from repro.study.plan import plan
from repro.tasks.reward_spec import describe_reward
from tests.pins import warnings_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments"
STUDIES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "accelerate")
PLANNED = re.compile(
    r"^# Planned: (\d+) cells, ([\d,]+ rollouts, about \S+ generated tokens|rollouts unknown, tokens unknown)",
    re.MULTILINE,
)
NOT_RUN = [path for path in STUDIES if PLANNED.search(path.read_text(encoding="utf-8"))]

FOR_GPUS = {
    f"{path.parent.name}/{path.stem}": path
    for path in STUDIES
    if path.parent.name in ("dots_rr", "ufo_rl") and "tiny" not in path.stem
}
"""Name in the documents -> study whose policies are on a hub."""
PUBLISHED = re.compile(r"(figure|table|theorem)_|curves$")


@cache
def spec_of(name: str) -> Spec:
    """The study of a name in the documents."""
    return load_spec(FOR_GPUS[name]).spec


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_loads_without_a_warning_and_plans(path: Path, tmp_path: Path) -> None:
    loaded = load_spec(path)
    assert warnings_of(loaded) == []
    made = plan(loaded.spec, tmp_path)
    assert len(made.rows) == made.count("todo") > 0
    small = load_spec(path, smoke=True).spec
    assert 0 < len(plan(small, tmp_path).rows) <= len(made.rows)


@pytest.mark.parametrize("path", NOT_RUN, ids=lambda path: path.stem)
def test_the_cost_in_a_header_is_what_plan_says(path: Path, tmp_path: Path) -> None:
    said = PLANNED.search(path.read_text(encoding="utf-8"))
    assert said is not None
    cells, cost = said.groups()
    summary = plan(load_spec(path).spec, tmp_path).summary()
    assert f": {cells} cells ({cells} to do); missing: {cost}" in summary


def test_every_study_for_gpus_states_its_cost_and_takes_its_policies_from_a_hub() -> None:
    assert set(FOR_GPUS.values()) <= set(NOT_RUN)
    assert len(FOR_GPUS) == 12
    assert all(model.hub for name in FOR_GPUS for model in spec_of(name).model)


# ---------------------------------------------------------------- what the studies for GPUs compare


@pytest.mark.parametrize(("name", "longer"), [("ufo_rl/release", "ufo_steps"), ("ufo_rl/gsm8k", "ufo")])
def test_a_tenth_of_the_data_is_compared_with_all_of_it_at_equal_epochs_steps_and_tokens(
    name: str, longer: str, tmp_path: Path
) -> None:
    spec = spec_of(name)
    rows = [row for row in plan(spec, tmp_path).rows if row.place.dataset == "gsm8k" and row.place.seed == 0]
    for family in ("Qwen", "Llama"):
        arms = {row.place.arm: row for row in rows if family in row.place.model}
        whole, steps = arms["full"], arms[longer]
        assert whole.cost.steps and steps.cost.steps == pytest.approx(whole.cost.steps, rel=0.001)
        assert {row.expanded.cell.selection.method for row in (whole, steps)} == {"uniform", "confidence"}
        kinds = {"epochs": "" if name.endswith("release") else "_epochs", "tokens": "_tokens"}
        for kind, ending in kinds.items():
            budgets = [arms[f"{arm}{ending}"].expanded.cell.budget for arm in ("full", "random", "ufo")]
            assert len({getattr(budget, kind) for budget in budgets} - {None}) == 1, kind
        assert {"hardest", "random_reward"} <= arms.keys()


def test_a_tenth_of_gsm8k_makes_many_updates_and_is_evaluated_on_the_way() -> None:
    train, evaluate = spec_of("ufo_rl/gsm8k").train, spec_of("ufo_rl/gsm8k").evaluate
    assert train.steps * train.minibatches > 1000
    assert train.steps / evaluate.every > 25
    assert train.schedule == "constant"  # so that every evaluation is a comparison at that many steps


def test_the_release_is_trained_with_its_own_settings_wherever_an_arm_does_not_say_otherwise() -> None:
    for name in ("ufo_rl/release", "ufo_rl/pass_rate_bins"):
        spec = spec_of(name)
        assert (spec.preset, spec.train.kl, spec.train.schedule, spec.train.group_size) == (
            "release",
            0.04,
            "linear",
            7,
        )
        assert spec.budget is not None and spec.budget.epochs == 3
        for arm in spec.arms.values():
            assert getattr(arm.selection, "prompt", "paper") == "paper"
    assert describe_reward(spec_of("ufo_rl/release").reward).count(" + ") == 2
    assert describe_reward(spec_of("ufo_rl/pass_rate_bins").reward) == "accuracy"  # bins are cut by what is rewarded


DOTS_RR = [name for name in FOR_GPUS if name.startswith("dots_rr/")]
MAIN = "dots_rr/qwen2.5-math-1.5b_deepscaler"


@pytest.mark.parametrize("name", DOTS_RR)
def test_dots_rr_trains_every_row_and_draws_its_questions_at_random(name: str) -> None:
    spec = spec_of(name)
    assert spec.preset == "paper"
    for arm, fields in spec.arms.items():
        skips = fields.train.get("skip_zero_advantage", spec.train.skip_zero_advantage)
        assert skips == arm.endswith("_skip")
    for dataset in spec.dataset:
        assert dataset.limits.train is None or dataset.limits.sample is not None


def test_each_of_grpo_dots_and_rr_runs_dense_and_skipping() -> None:
    arms = spec_of(MAIN).arms
    for arm in ("grpo", "dots", "rr", "dots_rr"):
        dense, skipping = arms[arm], arms[f"{arm}_skip"]
        assert skipping == dense.model_copy(update={"train": {**dense.train, "skip_zero_advantage": True}})


def test_the_controls_run_on_a_policy_of_qwen_and_on_one_of_another_family() -> None:
    for name in (MAIN, "dots_rr/llama-3.2-3b-instruct_deepscaler"):
        arms = spec_of(name).arms
        assert describe_reward(arms["random_reward"].reward or []) == "random"
        assert arms["random_reward"].selection == arms["grpo"].selection
        assert arms["hardest"].selection.offline
    assert {name.partition("/")[2][:4] for name in DOTS_RR if "random_reward" in spec_of(name).arms} == {"qwen", "llam"}


def test_the_figures_of_dots_rr_have_the_sizes_of_the_paper() -> None:
    spec, aime = spec_of(MAIN), spec_of("dots_rr/aime24")
    fields = {name: arm.selection.model_dump() for name, arm in spec.arms.items()}
    assert (fields["dots"]["references"], fields["dots_k128"]["references"]) == (256, 128)
    assert fields["curriculum"]["stages"] == 3
    longer = [spec.arms[name].train["steps"] for name in ("grpo_long", "dots_rr_long")]
    assert (spec.train.steps, longer) == (60, [100, 100])
    assert (aime.evaluate.every, aime.evaluate.samples, aime.dataset[0].test_named) == (10, 8, "aime24")


# ---------------------------------------------------------------- the papers' tables and figures


def test_the_documents_name_for_each_published_table_and_figure_the_specs_that_make_it_or_say_why_none_does() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- published: begin -->\n(.*?)\n<!-- published: end -->", text, re.DOTALL)
    assert table is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()[2:]]
    named: dict[str, set[str]] = {}
    for published, artefact, specs, note in rows:
        if artefact:
            named[artefact.strip("`")] = set(re.findall(r"`([^`]+)`", specs))
        else:
            assert not specs and note, published
    found = {name: {study for study in FOR_GPUS if name in spec_of(study).report.artefacts} for name in ARTEFACTS}
    assert named == {name: studies for name, studies in found.items() if PUBLISHED.match(name.partition(".")[2])}
    assert all(named.values())


# ---------------------------------------------------------------- the studies that run here
