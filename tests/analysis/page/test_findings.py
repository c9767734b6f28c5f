"""Every sentence about a model and dataset follows from the store: other numbers, other words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from repro.analysis.measures import Measures
from repro.analysis.page.findings import findings, gain, groups, sharpening
from repro.analysis.page.health import health_table
from repro.analysis.page.result_tables import cost_table, phase_table
from repro.analysis.page.warnings import warnings
from repro.analysis.text import points
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store, edit

DOTS = {"selection": {"method": "difficulty", "references": 4}}
RANDOM = {"selection": {"method": "random", "fraction": 0.25}}
FULL = Behaviour((0.4, 0.5, 0.6, 0.65), (0.0, 0.05, -0.05), 0.5, (0.0, 0.02, -0.02))

Make = Callable[..., Store]


def test_start_and_end_are_said_with_their_gain(quick_study: Make):
    text = gain(measure(quick_study({"full": ({}, FULL)})))
    assert "The start policy solves 30.0 %" in text and "`full` solves 65.0 %" in text
    assert "a gain of 35.0 points" in text and "over 3 seeds" in text


def test_groups_that_train_are_compared_arm_by_arm(quick_study: Make):
    fewer, more = Behaviour(FULL.curve, zero=0.3), Behaviour(FULL.curve, zero=0.8)
    text = groups(measure(quick_study({"full": ({}, FULL), "dots": (DOTS, fewer), "random": (RANDOM, more)})))
    assert "groups with a gradient was 50.0 % [45.0, 55.0] under `full`" in text
    assert "higher under `dots` (+20.0 points" in text and "lower under `random` (−30.0 points" in text


def test_of_many_arms_a_sentence_tells_how_many_and_the_least_and_the_most(quick_study: Make):
    arms = {"full": ({}, FULL)}
    for place in range(5):
        arms[f"dots_{place}"] = ({**DOTS, "train": {"learning_rate": 1e-5 * (1 + place)}},
                                 Behaviour(FULL.curve, zero=0.3 - 0.05 * place))  # fmt: skip
    text = groups(measure(quick_study(arms)))
    assert text.endswith("It was higher under 5 arms (+20.0 to +40.0 points).")


def test_one_seed_has_no_interval_and_says_so(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, Behaviour((0.7, 0.8, 0.8, 0.85), zero=0.3))}
    said = findings(measure(quick_study(arms, seeds=1)))
    assert "[no interval: n = 1]" in " ".join(text for _, text in said.behind)
    assert any("One seed only" in warning for warning in said.warnings)


def test_accuracy_near_zero_is_said_plainly_and_nothing_is_concluded(quick_study: Make):
    arms = {
        "full": ({}, Behaviour((0.0, 0.0, 0.0, 0.01), zero=0.97)),
        "dots": (DOTS, Behaviour((0.0, 0.01, 0.01, 0.02), zero=0.95)),
    }
    store = quick_study(arms, base=0.0, questions=100)
    said = findings(measure(store))
    assert any("**Accuracy is near zero**: 0.00 %" in warning for warning in said.warnings)
    hardly = [warning for warning in said.warnings if "Hardly any group trains" in warning]
    assert len(hardly) == 2 and "`full`: on average 3.0 %" in hardly[0]


def test_runs_that_were_stopped_early_are_counted_and_named_with_their_step(quick_study: Make):
    store = quick_study({"full": ({}, FULL), "dots": (DOTS, Behaviour((0.4, 0.5, 0.6, 0.6), zero=0.89))})
    for run in store.read().panels[0].series[1].runs[:1]:
        edit(store.runs_dir / run.identity / "health.json", '{"stopped": {"kind": "no_signal", "step": 6}}')
    (said,) = findings(measure(store)).warnings
    assert said.startswith("**1 of 6 runs stopped early** by `train.stop_on`: `dots` seed 0 at step 6 (no_signal).")


def test_enough_training_groups_and_accuracy_give_no_warning(quick_study: Make):
    store = quick_study({"full": ({}, FULL), "dots": (DOTS, Behaviour((0.4, 0.5, 0.6, 0.6), zero=0.89))})
    assert not findings(measure(store)).warnings


def test_how_much_of_a_gain_could_be_sharpening_is_computed(quick_study: Make):
    # The start policy solves 30 % sampled and 45 % greedily; the baseline ends at 65 %.
    text = sharpening(measure(quick_study({"full": ({}, FULL)})))
    assert "45.0 % greedily" in text and "15.0 of the 35.0 points could be sharpening" in text
    small = Behaviour((0.3, 0.35, 0.4, 0.4))
    store = quick_study({"full": ({}, small)}, questions=200)
    assert "the whole gain of `full` could be sharpening" in sharpening(measure(store))


def test_warnings_of_runs_stand_in_a_row_per_arm(quick_study: Make):
    store = quick_study({"full": ({}, FULL), "other": ({"train": {"learning_rate": 1e-5}}, FULL)}, seeds=2)
    warned: dict[str, Any] = {
        "kind": "collapse",
        "step": 6,
        "what": "it fell",
        "likely": "train.learning_rate",
        "over": None,
    }
    warned["text"] = "it fell; most likely train.learning_rate"
    for run in store.read().runs:
        if run.place.arm == "other" and run.place.seed == 1:
            content = {"warnings": [warned], "stopped": {"kind": "collapse", "step": 6}}
            edit(store.runs_dir / run.identity / "health.json", json.dumps(content))
    table = health_table(measure(store))
    assert table.rows == [
        ["`full`", "2", "none", "none", "none"],
        ["`other`", "2", "1", "accuracy fell to the start's in 1, from step 6 on", "1"],
    ]
    assert table.data["kind"].tolist() == ["none", "none", "none", "collapse"]
    assert table.data.iloc[-1].to_dict() == {
        "arm": "other", "seed": 1, "kind": "collapse", "step": 6, "text": "it fell; most likely train.learning_rate",
    }  # fmt: skip


def test_an_oracle_is_said_to_be_a_bound_and_costs_what_plain_training_costs(quick_study: Make):
    arms = {"full": ({}, FULL), "known": ({"selection": {"method": "oracle"}}, FULL)}
    measures = measure(quick_study(arms))
    bound = "`known` knows current pass rates; its knowledge is not paid for: a bound, no method."
    assert findings(measures).warnings == (bound,)
    costs = cost_table(measures)
    assert "Nor are the probes of `known` counted; its knowledge is not paid for: a bound, no method." in costs.caption
    tokens = costs.data.set_index("arm")["generated_tokens"]
    assert tokens["known"] == tokens["full"] > 0
    phases = phase_table(measures).data.query("phase == 'oracle'")
    assert phases["arm"].tolist() == ["known"]
    assert phases["completions"].tolist() == [8 * 64 * 4]
    assert "not paid for" not in cost_table(measure(quick_study({"full": ({}, FULL)}))).caption


def test_warnings_of_several_pairs_are_told_once_with_all_their_numbers(quick_study: Make):
    """A baseline that stays where it began; an arm without groups that train on both."""
    flat = Behaviour((0.3, 0.3, 0.3, 0.3), (0.0, 0.05, -0.05))
    arms = {"full": ({}, flat), "lost": (RANDOM, Behaviour(FULL.curve, zero=0.95))}
    fields = {"dataset": [{"arithmetic": {"pool": 64}}, {"shuffle": {"pool": 64}}]}
    several = [Measures(panel) for panel in quick_study(arms, fields=fields).read().panels]
    first, second = (one.text for one in warnings(several))
    assert re.fullmatch(
        r"\*\*`full` did not clearly learn\*\* on 2 of 2 pairs of model and task: its gain over the start policy is "
        r"\S+( to \S+)? points, and no interval lies above 0\. Where nothing .*",
        first,
    )
    assert second == (
        "**Hardly any group trains** under `lost` on 2 of 2 pairs of model and task: on average 5.0 % of its groups "
        "had rewards that differ (warning below 10 %)."
    )
    (alone, _) = (one.text for one in warnings(several[:1]))
    assert f"its gain over the start policy is {points(several[0].final('full').gain)} points. Where" in alone
    learns = quick_study({"full": ({}, FULL), "lost": arms["lost"]}, fields=fields)
    assert len(warnings([Measures(panel) for panel in learns.read().panels])) == 1
