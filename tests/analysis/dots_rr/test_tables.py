"""Savings, areas, the cost model and evaluation noise of DOTS + RR, against numbers computed by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.analysis.dots_rr.area import auc, mean_height
from repro.analysis.dots_rr.artefacts import ARTEFACTS
from repro.analysis.dots_rr.cost import cost_model, count, references_per_step, rollout_volume
from repro.analysis.dots_rr.noise import deviation, first_questions, last_rates, standard_error, table_7
from repro.analysis.dots_rr.savings import saved, steps_to_match, table_1
from repro.analysis.equal_cost import Saving
from repro.analysis.measures import Measures
from repro.analysis.tables import Table
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.dots_rr.study import DOTS, REPLAY, dots_panels, dots_study
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.synthetic import Store, edit

TABLES = ("claims", "ablations", "table_1", "steps_to_match", "auc", "cost_model", "table_7", "table_8")
PANEL = "tiny-96x2 on arithmetic"


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Measures]:
    return dots_panels(dots_study(tmp_path_factory.mktemp("dots"), points=6, questions=100))


def test_every_table_and_that_of_claims_fits_a_paper(panels: list[Measures], tmp_path: Path):
    needs_pdflatex()
    tables = [item for make in (ARTEFACTS[f"dots_rr.{name}"] for name in TABLES) for item in make(panels)]
    assert len(tables) > 12 and unfit(tables, tmp_path) == []


def table(made: list[Any], name: str) -> Table:
    return next(item for item in made if item.name == f"dots_rr.{name}")


def curves(quick_study: Callable[..., Store], **arms: tuple[dict[str, Any], tuple[float, ...]]) -> Measures:
    """Arms with these accuracies at steps 2, 4, ...; the start policy has 0.3. Two seeds."""
    made = {name: (config, Behaviour(curve)) for name, (config, curve) in arms.items()}
    return measure(quick_study(made, seeds=2, questions=100))


# ---------------------------------------------------------------- savings


def test_table_1_has_a_row_per_combination_and_arm_above_the_published_ones(panels: list[Measures]):
    made = table(table_1(panels), "table_1")
    ours = made.data.query("source == 'ours'")
    assert len(ours) == 6 * 3 and (made.data["source"] == "published").sum() == 6
    assert ours.groupby("model_data", sort=False)["part"].agg(list).map(tuple).unique().tolist() == [
        ("DOTS", "RR", "DOTS+RR")
    ]
    # Rollouts take 0.25 s of a step of 0.5 s; on average over 12 steps 3 of warm-up, one with a group more.
    generated = (3 * 8 + 9 * 4 + 1) / (12 * 8)
    row = ours.query(f"part == 'DOTS+RR' and model_data == '{PANEL}'").iloc[0]
    assert row["time_per_step_saved"] == pytest.approx(1 - (0.25 * generated + 0.25) / 0.5)
    assert row["time_per_step_saved_low"] == pytest.approx(row["time_per_step_saved"]), "seeds take as long"
    assert row["cost_model_time_per_step_saved"] == pytest.approx(0.5 * (1 - 0.75))


def test_what_is_saved_follows_from_the_factor_and_turns_around_its_interval():
    found = saved(Saving(2.0, 0.5, 4.0, 6))
    assert (found.value, found.low, found.high) == (0.5, -1.0, 0.75)
    never = saved(Saving(math.nan, 0.0, 0.8, 6))
    assert math.isnan(never.value) and never.low == -math.inf and never.high == pytest.approx(-0.25)
    assert saved(Saving(2.0, 1.0, math.inf, 6)).high == 1.0


def test_steps_to_match_follow_the_line_and_name_the_budget_where_a_seed_does_not_get_there(
    quick_study: Callable[..., Store],
):
    measures = curves(
        quick_study,
        base=({}, (0.4, 0.5, 0.6, 0.6)),
        under=(DOTS, (0.5, 0.5, 0.5, 0.59)),
        held=(DOTS | REPLAY, (0.4, 0.6, 0.7, 0.7)),
    )
    made = table(steps_to_match([measures]), "steps_to_match")
    cells = {row[1]: row[4:] for row in made.rows}
    assert cells["`base`"][0] == "6, 6"
    assert cells["`under`"] == ["> 8, > 8", "> 2.56 k, > 2.56 k", "> 4, > 4"]
    assert cells["`held`"][0] == "4, 4"
    first = made.data.query("arm == 'base' and seed == 0").iloc[0]
    assert first["generated_tokens"] == pytest.approx(6 * 8 * 4 * 10) and first["CPU_seconds"] == pytest.approx(6 * 0.5)
    assert made.data.query("arm == 'under'")["steps"].isna().all()
    assert "moved from 24.9 % to 48.0 %" in made.caption


# ---------------------------------------------------------------- area


def test_the_mean_height_of_a_line_is_its_middle():
    assert mean_height([0, 2, 4], [0.0, 0.2, 0.4], 4) == pytest.approx(0.2)
    assert mean_height([0, 2, 4], [0.0, 0.2, 0.4], 3) == pytest.approx(0.15)  # cut inside a segment


def test_before_its_first_point_a_curve_is_flat():
    # 0.1 for 2 of 4, then a line to 0.5: (0.2 + 0.6) / 4
    assert mean_height([2, 4], [0.1, 0.5], 4) == pytest.approx(0.2)


def test_no_area_beyond_the_end_of_a_curve():
    with pytest.raises(ValueError, match="stops at 4"):
        mean_height([0, 4], [0, 1], 5)


def test_areas_are_compared_over_the_common_range(quick_study: Callable[..., Store]):
    # Half of the questions are replayed, so after as many steps half of the tokens are generated.
    made = {
        "base": ({}, Behaviour((0.5, 0.5, 0.5, 0.5), (0.0, 0.1))),
        "replay": (REPLAY, Behaviour((0.7, 0.7, 0.7, 0.7), (0.0, 0.2), replays=0.5)),
    }
    measures = measure(quick_study(made, seeds=2, questions=100))
    row = table(auc([measures]), "auc").data.set_index("arm").loc["replay"]
    # From 0.3 up to the first evaluation at a quarter of the range; +0.2 and +0.3 are the differences after it.
    by_steps = [(1 - 0.125) * 0.2, (1 - 0.125) * 0.3]
    assert row["by_steps_difference"] == pytest.approx(np.mean(by_steps)) and row["steps_end"] == 8
    half = np.diff(by_steps)[0] / math.sqrt(2) / math.sqrt(2) * 12.706204736  # t of one degree of freedom
    assert row["by_steps_difference_high"] - row["by_steps_difference"] == pytest.approx(half, rel=1e-6)
    # By tokens GRPO's curve is cut at half: its rise from 0.3 takes half of the range.
    ours = [0.7 - 0.125 * 0.4, 0.9 - 0.125 * 0.6]
    theirs = [0.5 - 0.25 * 0.2, 0.6 - 0.25 * 0.3]
    assert row["by_tokens_difference"] == pytest.approx(np.mean(np.subtract(ours, theirs)))
    assert row["tokens_end"] == 8 * 16 * 10


def test_differences_are_pooled_over_panels_and_variants_stand_beside_what_they_vary(panels: list[Measures]):
    made = auc(panels)
    data = table(made, "auc").data
    ours = data.query("part == 'DOTS+RR' and model_data != 'all'")
    pooled = data.query("part == 'DOTS+RR' and model_data == 'all'").iloc[0]
    assert len(ours) == 6 and pooled["by_steps_difference"] == pytest.approx(ours["by_steps_difference"].mean())
    variants = table(made, "auc_variants").data.set_index("arm")
    assert variants.loc["k_small", "what"] == "DOTS, K 2"
    beta, alpha = (measures_area(panels[0], label) for label in ("beta", "alpha"))
    k_small = measures_area(panels[0], "k_small")
    assert variants.loc["k_small", "by_steps_vs_headline"] == pytest.approx(k_small - beta)
    assert variants.loc["k_small", "by_steps_vs_grpo"] == pytest.approx(k_small - alpha)
    assert math.isnan(variants.loc["fixed", "by_steps_vs_headline"])


def measures_area(measures: Measures, label: str) -> float:
    return measures.final(label).mean_over_training.value


# ---------------------------------------------------------------- cost model


def test_the_formula_scales_with_samples_and_an_oracle_measures_the_whole_pool(quick_study: Callable[..., Store]):
    plain = Behaviour((0.5,) * 4)
    online = DOTS["selection"]
    store = quick_study(
        {
            "base": ({}, plain),
            "halved": ({"selection": {**online, "samples": 2}}, plain),
            "oracle": ({"selection": {**online, "predictor": "oracle", "every": 4}}, plain),
            "rr": ({"replay": {"fresh": 0.25}}, plain),
        },
        seeds=1,
    )
    panel = measure(store).panel
    # 8 questions a step in groups of 4; 4 references every 2 steps; a pool of 64
    assert {label: references_per_step(panel.get(label)) for label in ("base", "halved", "oracle", "rr")} == {
        "base": 0.0, "halved": 0.125, "oracle": 2.0, "rr": 0.0,
    }  # fmt: skip
    assert rollout_volume(panel.get("rr")) == 0.25 and rollout_volume(panel.get("oracle")) == 3.0


def test_the_ledger_is_counted_after_the_warm_up_and_without_top_ups(panels: list[Measures]):
    series = panels[0].panel.get("delta")
    found = count(series.runs[0], series)
    assert found is not None
    # Three steps without replay, rounded up to whole windows of two; one group more at step 5.
    assert (found.warm_up, found.steps, found.topped_up) == (4, 8, 4)
    assert found.completions == 8 * 4 * 4 + 4 * 4 * 4 + 4  # rollouts, four refreshes of 4 references, the top-up
    assert found.whole == pytest.approx((3 * 32 + 9 * 16 + 4 + 6 * 16) / 12)


def test_an_agreeing_ledger_passes_with_warm_up_and_top_ups_apart(panels: list[Measures]):
    data = table(cost_model(panels), "cost_model").data
    assert data["within"].all() and data["worst_error"].max() < 1e-9
    row = data.query(f"arm == 'delta' and model_data == '{PANEL}'").iloc[0]
    assert (row["formula"], row["adjusted"]) == pytest.approx((0.75, 0.75))
    assert (row["warm_up_steps"], row["topped_up_groups"]) == (4, 1)
    assert row["whole_run"] == pytest.approx((3 * 32 + 9 * 16 + 4 + 6 * 16) / 12 / 32)
    assert {"resample", "fixed", "filter", "alpha", "plain_long"}.isdisjoint(data["arm"])


def test_references_that_train_are_counted_as_if_rolled_out_again_and_stand_apart(quick_study: Callable[..., Store]):
    config = {"selection": {**DOTS["selection"], "reuse_references": True}}
    arms = {"base": ({}, Behaviour((0.5,) * 4)), "dots": (config, Behaviour((0.5,) * 4, reused=3))}
    made = table(cost_model([measure(quick_study(arms, seeds=1))]), "cost_model")
    row = made.data.iloc[0]
    assert row["within"] and row["adjusted"] == pytest.approx(row["formula"]) == pytest.approx(1.25)
    assert row["reused_groups"] == 4 * 3  # four refreshes in eight steps
    assert row["whole_run"] == pytest.approx(1.25 - 4 * 3 / 64)
    cells = dict(zip(made.header, made.rows[0], strict=True))
    assert (cells["formula"], cells["counted"], cells["adjusted"]) == ("1.250", "1.062", "1.250")
    assert cells["counted ÷ formula − 1, %"] == "−15.0"


def test_an_unfinished_window_at_the_end_is_left_out(quick_study: Callable[..., Store]):
    arms = {"base": ({}, Behaviour((0.5,) * 7)), "dots": (DOTS, Behaviour((0.5,) * 7))}
    measures = measure(quick_study(arms, seeds=1, steps=7, every=1))
    found = count(measures.panel.get("dots").runs[0], measures.panel.get("dots"))
    assert found is not None and found.steps == 6 and found.adjusted == pytest.approx(32 + 8)


def test_a_ledger_that_counts_more_than_the_formula_fails(quick_study: Callable[..., Store]):
    arms = {"base": ({}, Behaviour((0.5,) * 4)), "dots": (DOTS, Behaviour((0.5,) * 4))}
    store = quick_study(arms, seeds=1)
    for path in store.runs_dir.glob("*/metrics.jsonl"):
        cell = json.loads((path.parent / "cell.json").read_text())["cell"]
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            if "cost/completions" in row["metrics"] and cell["selection"]["method"] == "difficulty":
                row["metrics"]["cost/completions"] *= 1.03
        edit(path, "".join(json.dumps(row) + "\n" for row in rows))
    made = table(cost_model([measure(store)]), "cost_model")
    assert made.data["worst_error"].item() == pytest.approx(0.03) and not made.data["within"].item()
    assert made.rows[0][9] == "no"


@pytest.mark.parametrize("planned", [0, 2, 3])
def test_a_warm_up_counts_whether_it_was_planned_or_the_buffer_was_short(
    quick_study: Callable[..., Store], planned: int
):
    config = {"replay": {"fresh": 0.5, "capacity": 8, "warm_up": planned}}
    arms = {"base": ({}, Behaviour((0.5,) * 4)), "rr": (config, Behaviour((0.5,) * 4, replays=0.5, warm_up=3))}
    measures = measure(quick_study(arms, seeds=1))
    found = count(measures.panel.get("rr").runs[0], measures.panel.get("rr"))
    assert found is not None and (found.warm_up, found.steps, found.topped_up) == (3, 5, 0)
    assert found.adjusted == pytest.approx(16)


def test_a_buffer_that_never_fills_has_no_verdict(quick_study: Callable[..., Store]):
    arms = {"base": ({}, Behaviour((0.5,) * 4)), "rr": (REPLAY, Behaviour((0.5,) * 4, replays=0.5, warm_up=8))}
    made = table(cost_model([measure(quick_study(arms, seeds=1))]), "cost_model")
    assert made.rows[0][7:10] == ["–", "–", "–"] and made.data["warm_up_steps"].item() == 8
    assert made.data["whole_run"].item() == pytest.approx(1.0)


def test_predicted_and_measured_time_per_step_and_where_it_went(quick_study: Callable[..., Store]):
    arms = {
        "base": ({}, Behaviour((0.5,) * 4)),
        "rr": (REPLAY, Behaviour((0.5,) * 4, replays=0.5, update_seconds=0.3)),
    }
    row = table(cost_model([measure(quick_study(arms))]), "cost_model_time").data.iloc[0]
    # Of 0.5 s half are rollouts; half of these are saved, 0.05 s more go into updates.
    assert row["rollout_share"] == pytest.approx(0.5) and row["predicted_by_formula"] == pytest.approx(0.25)
    assert row["measured"] == pytest.approx(1 - 0.425 / 0.5)
    assert (row["rollouts_and_probes"], row["rest"]) == pytest.approx((0.125 / 0.5, -0.05 / 0.5))


# ---------------------------------------------------------------- noise


def test_few_questions_are_the_first_of_the_set(panels: list[Measures]):
    run = panels[0].panel.get("alpha").runs[0]
    (every,) = last_rates(run, "test")
    (few,) = first_questions((every, np.zeros((6, 40))), 30)
    assert few.shape == (6, 30) and every.shape == (6, 100)
    assert (few == every[:, :30]).all()


def test_table_7_has_standard_errors_over_questions(panels: list[Measures]):
    made = table(table_7(panels), "table_7")
    ours = made.data.query(f"source == 'ours' and model_data == '{PANEL}' and checkpoint == 6").set_index("questions")
    # Of 100 questions the first 58 are always solved (0.60, seed 0: -0.02), so all of the first 30 are.
    assert ours.loc[30, "accuracy"] == 1 and ours.loc[30, "standard_error"] == 0
    assert ours.loc[100, "accuracy"] == pytest.approx(0.58)
    assert ours.loc[100, "standard_error"] == pytest.approx(math.sqrt(0.58 * 0.42 / 99))
    published = made.data.query("source == 'published' and model_data == 'Qwen2.5-Math-1.5B, AIME24'")
    assert published["accuracy"].tolist() == pytest.approx([0.1042, 0.1583, 0.1583, 0.1167, 0.1667, 0.1375])
    assert published["step"].tolist() == [10, 20, 30, 40, 50, 60]
    assert made.data.query(f"source == 'ours' and model_data == '{PANEL}'")["step"].tolist()[:6] == [2, 4, 6, 8, 10, 12]
    assert [row[2] for row in made.rows] == ["30", "100"] * 6 + ["30"] * 3


def test_deviation_over_checkpoints_is_pooled_over_runs():
    flat, jumps = np.full((3, 4), 0.5), np.array([[0.0] * 4, [1.0] * 4, [0.5] * 4])
    assert deviation([(flat,), (jumps,)]) == pytest.approx(math.sqrt((0.0 + 0.25) / 2))
    assert deviation([(flat, jumps), (flat, flat)]) == pytest.approx(math.sqrt((0.25 / 4 + 0.0) / 2))
    four, two = np.array([[0.0, 1.0, 0.0, 1.0]]), np.array([[0.0, 1.0]])
    assert standard_error((four,))[0] == pytest.approx(math.sqrt(1 / 3) / 2)
    assert standard_error((four, two))[0] == pytest.approx(math.sqrt(1 / 3 / 4 + 1 / 2 / 2) / 2)
    assert math.isnan(deviation([(flat[:1],)])) and math.isnan(standard_error((four, flat[:, :1]))[0])


def test_a_set_smaller_than_thirty_has_one_row(quick_study: Callable[..., Store]):
    measures = curves(quick_study, base=({}, (0.4, 0.5, 0.6, 0.6)))
    small = measure(quick_study({"base": ({}, Behaviour((0.4, 0.5, 0.6, 0.6)))}, seeds=1, questions=20))
    assert [row[2] for row in table_rows(small)] == ["20"] and len(table_rows(measures)) == 2
    assert table_rows(small)[0][3:9].count("–") == 2  # four checkpoints of six


def table_rows(measures: Measures) -> list[Any]:
    return [row for row in table(table_7([measures]), "table_7").rows if "published" not in row[0]]
