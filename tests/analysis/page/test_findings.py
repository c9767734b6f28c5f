"""Every sentence of the answer follows from the store: other numbers, other words."""

from __future__ import annotations

from collections.abc import Callable

from analysis.page.findings import findings, groups, sharpening
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Behaviour, Store, edit

DOTS = {"selection": {"method": "difficulty", "references": 4}}
RANDOM = {"selection": {"method": "random", "fraction": 0.25}}
FULL = Behaviour((0.4, 0.5, 0.6, 0.65), (0.0, 0.05, -0.05), 0.5, (0.0, 0.02, -0.02))

Make = Callable[..., Store]


def told(store: Store) -> str:
    """The answer as one text."""
    said = findings(measure(store))
    return " ".join([said.verdict, *said.answer, *(text for _, text in said.behind)])


def test_an_arm_that_wins_is_said_to_win_with_its_numbers(quick_study: Make):
    text = told(
        quick_study({"full": ({}, FULL), "dots": (DOTS, Behaviour((0.7, 0.8, 0.8, 0.85), (0.0, 0.05, -0.05), 0.3))})
    )
    assert "**The final accuracy of `full` was reached by `dots` with clearly fewer" in text
    assert "`dots` (+20.0 points" in text and "ended higher" in text
    assert "lower under `dots` (−20.0 points" in text


def test_an_arm_that_loses_to_its_control_is_said_to_lose(study: Make):
    losing = Behaviour((0.3, 0.35, 0.4, 0.4), (0.0, 0.05, -0.05), 0.8)
    text = told(study({"full": ({}, FULL), "random": (RANDOM, losing)}))
    assert "**No arm was shown to reach the final accuracy of `full` with less than `full` needed.**" in text
    assert "`random` ended clearly lower and did not hold it in any seed" in text
    assert "`random` (−25.0 points" in text and "ended lower" in text
    assert "`random` (> 8 steps) did not get there in any seed" in text
    assert "higher under `random` (+30.0 points" in text


def test_a_slower_arm_is_said_to_have_needed_more(quick_study: Make):
    early = Behaviour((0.6, 0.7, 0.7, 0.7))
    late = Behaviour((0.3, 0.3, 0.7, 0.7))
    text = told(quick_study({"full": ({}, early), "random": (RANDOM, late)}, fields={"report": {"target": 0.58}}))
    assert "`random` needed clearly more steps, generated tokens and seconds" in text


def test_the_same_arm_twice_shows_no_clear_difference(quick_study: Make):
    other = Behaviour(FULL.curve, (0.05, -0.05, 0.0), 0.5, (0.02, 0.0, -0.02))
    text = told(quick_study({"full": ({}, FULL), "random": (RANDOM, other)}))
    assert "no clear difference" in text and "ended higher" not in text and "ended lower" not in text
    assert "No arm was shown" in text
    assert "not clearly different under `random`" in text


def test_changing_one_number_in_the_store_changes_the_sentence(study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, Behaviour((0.5, 0.6, 0.7, 0.8), (0.0, 0.0, 0.0), 0.3))}
    before = told(study(arms))
    arms["dots"] = (DOTS, Behaviour((0.5, 0.6, 0.7, 0.9), (0.0, 0.0, 0.0), 0.3))
    after = told(study(arms))
    assert "+15.0 points" in before and "+15.0 points" not in after
    assert "+25.0 points" in after


def test_one_seed_has_no_interval_and_says_so(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, Behaviour((0.7, 0.8, 0.8, 0.85), zero=0.3))}
    store = quick_study(arms, seeds=1)
    said, text = findings(measure(store)), told(store)
    assert "There is one seed per arm, so whether an arm saved compute beyond chance cannot be said." in said.verdict
    assert "no interval over training runs is possible" in text
    assert "[no interval: n = 1]" in text
    assert any("One seed only" in warning for warning in said.warnings)
    assert "clearly" not in said.verdict


def test_accuracy_near_zero_is_said_plainly_and_nothing_is_concluded(quick_study: Make):
    arms = {
        "full": ({}, Behaviour((0.0, 0.0, 0.0, 0.01), zero=0.97)),
        "dots": (DOTS, Behaviour((0.0, 0.01, 0.01, 0.02), zero=0.95)),
    }
    store = quick_study(arms, base=0.0, questions=100)
    said = findings(measure(store))
    assert "Accuracy stayed near zero" in said.verdict and "nothing about which arm is better" in said.verdict
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


def test_a_baseline_that_learns_nothing_makes_no_race(quick_study: Make):
    flat = Behaviour((0.3, 0.3, 0.3, 0.3))
    said = findings(measure(quick_study({"full": ({}, flat), "dots": (DOTS, FULL)})))
    assert "`full` did not end clearly above the start policy" in said.verdict


def test_how_much_of_a_gain_could_be_sharpening_is_computed(quick_study: Make):
    # The start policy solves 30 % sampled and 45 % greedily; the baseline ends at 65 %.
    text = sharpening(measure(quick_study({"full": ({}, FULL)})))
    assert "45.0 % greedily" in text and "15.0 of the 35.0 points could be sharpening" in text
    small = Behaviour((0.3, 0.35, 0.4, 0.4))
    store = quick_study({"full": ({}, small)}, questions=200)
    assert "the whole gain of `full` could be sharpening" in sharpening(measure(store))


def test_a_study_of_one_arm_compares_nothing(quick_study: Make):
    store = quick_study({"full": ({}, FULL)})
    assert "nothing to compare" in findings(measure(store)).verdict
    assert "50.0 % [45.0, 55.0] under `full`" in groups(measure(store))


def test_a_baseline_without_runs_is_said(quick_study: Make):
    arms = {"full": ({}, Behaviour(FULL.curve, status="failed")), "dots": (DOTS, FULL)}
    assert "The baseline has no finished run" in findings(measure(quick_study(arms))).verdict
