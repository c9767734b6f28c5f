"""The verdicts on DOTS + RR: read off intervals, turned by what the store holds, told with the numbers measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from repro.analysis.claims import Claim, side, verdict
from repro.analysis.dots_rr.claims import claims, table
from repro.analysis.dots_rr.split import split
from repro.analysis.effects import Effect
from repro.analysis.measures import Measures
from repro.analysis.statistics import Interval
from repro.analysis.text import amount
from tests.analysis.behaviour import Behaviour
from tests.analysis.dots_rr.study import DOTS, JITTER, REPLAY, dots_panels, halved
from tests.analysis.synthetic import Store

Arms = dict[str, tuple[dict[str, Any], Behaviour]]

TWO = {"dataset": [{"arithmetic": {"pool": 64, "test": 200}}, {"shuffle": {"pool": 64, "test": 200}}]}
POLICY = {"name": "other", "tiny": {"width": 64, "layers": 2, "heads": 2}}
PLAIN, WORSE = (0.4, 0.5, 0.55, 0.6), (0.35, 0.4, 0.45, 0.5)
BETTER, BEST = (0.5, 0.61, 0.65, 0.66), (0.6, 0.7, 0.75, 0.76)


def arm(curve: tuple[float, ...], *sections: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Behaviour]:
    config: dict[str, Any] = {}
    for section in sections:
        config = config | section
    return config, Behaviour(halved(curve), JITTER, **more)


def headline() -> Arms:
    """DOTS half as many steps to GRPO's end, a fifth more tokens a step; RR half the rollouts, a point below."""
    probes, replays = {"probe_tokens": 64, "zero": 0.3}, {"replays": 0.5}
    return {
        "plain": arm(PLAIN),
        "chosen": arm(BETTER, DOTS, **probes),
        "again": arm((0.39, 0.49, 0.54, 0.59), REPLAY, **replays),
        "both": arm((0.5, 0.6, 0.63, 0.65), DOTS, REPLAY, **probes, **replays),
    }


def dots(**fields: Any) -> dict[str, Any]:
    """DOTS with a trained predictor and fields of its selection changed."""
    return {"selection": {**DOTS["selection"], "predictor": "trained", **fields}, "predictor": {"policies": [POLICY]}}


def further() -> Arms:
    """On top of the headline arms, all worse than what they stand beside; `apart` is as good."""
    mean_only = {"train": {"advantage_std": False}}
    return {
        "plain": arm(PLAIN),
        "chosen": arm(BETTER, dots(reuse_references=True), pearson=0.8, reused=1),
        "both": arm(BETTER, dots(), REPLAY),
        "raw": arm(PLAIN, dots(reuse_references=True, predictor="untrained"), pearson=0.3),
        "apart": arm(BETTER, dots(), pearson=0.8),
        "few": arm(BETTER, dots(reuse_references=True, references=2)),
        "low": arm(PLAIN, dots(reuse_references=True, target=0.25)),
        "high": arm(PLAIN, dots(reuse_references=True, target=0.75)),
        "bare": arm(PLAIN, dots(), {"replay": {**REPLAY["replay"], "correction": "none"}}),
        "code": arm(PLAIN, dots(), {"replay": {**REPLAY["replay"], "correction": "proximal"}}),
        "resample": arm(PLAIN, {"selection": {"method": "dynamic"}}),
        "filter": arm(PLAIN, {"selection": {"method": "pass_rate", "band": {"low": 0.2, "high": 0.8}}}),
        "fixed": arm(PLAIN, {"selection": {"method": "curriculum", "by": "column", "column": "steps", "high": "hard"}}),
        "oracle": arm(PLAIN, {"selection": {"method": "difficulty", "every": 2, "predictor": "oracle"}}),
        "plain_mean": arm(PLAIN, mean_only),
        "chosen_mean": arm(BEST, dots(reuse_references=True), mean_only),
    }


def changed(arms: Arms, name: str, **fields: Any) -> Arms:
    config, before = arms[name]
    if "curve" in fields:
        fields["curve"] = halved(fields["curve"])
    return arms | {name: (config, replace(before, **fields))}


def by_key(panels: list[Measures]) -> dict[str, Claim]:
    return {claim.key: claim for claim in claims(panels)}


@pytest.fixture
def two(quick_study: Callable[..., Store]) -> Callable[..., list[Measures]]:
    """Two datasets, one model; GRPO is the baseline."""
    fields = {**TWO, "report": {"baseline": "plain"}}
    return lambda arms: dots_panels(quick_study(arms, questions=200, every=1, wiggle=True, fields=fields))


@pytest.fixture
def one(quick_study: Callable[..., Store]) -> Callable[..., list[Measures]]:
    """One model and dataset."""
    fields = {"report": {"baseline": "plain"}}
    return lambda arms: dots_panels(quick_study(arms, questions=200, every=1, wiggle=True, fields=fields))


def mean_height(curve: tuple[float, ...]) -> float:
    """Over steps 0 to 8, from the start policy's 0.3."""
    return float(np.trapezoid([0.3, *curve], np.linspace(0, 8, len(curve) + 1))) / 8


# ---------------------------------------------------------------- verdicts and pooling


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((-0.01, 0.01), 1), ((-0.03, 0.01), 0), ((-0.01, 0.03), 0), ((0.03, 0.04), -1), ((-0.04, -0.03), -1)],
)
def test_between_two_bars_an_interval_must_lie_inside_both(bounds: tuple[float, float], expected: int):
    assert side(Interval(0.0, *bounds, 3), -0.02, 0.02) == expected
    assert verdict([expected]) == ("does not hold", "undecided", "holds")[expected + 1]


def test_what_a_claim_could_see_is_where_its_interval_leaves_the_bar_four_times_in_five():
    half = 0.05
    points = Effect(
        "a − b", "points", Interval(0.1, 0.1 - half, 0.1 + half, 8), {"x": Interval(0.1, 0.05, 0.15, 8)}, {}
    )
    error = half / stats.norm.ppf(0.975)
    seen = stats.norm.sf(half, loc=points.smallest_seen, scale=error)  # the mean lies above 0 by half an interval
    assert seen == pytest.approx(0.8, abs=1e-3)
    ratio = Effect("b ÷ a", "ratio", Interval(1.0, 0.8, 1.25, 8), points.panels, {})
    assert math.log(ratio.smallest_seen) / math.log(1.25) == pytest.approx(points.smallest_seen / half)
    wide = replace(points, pooled=Interval(0.1, 0.0, 0.2, 8))
    claim = Claim("key", "short", None, 0.0, (points, wide))
    assert claim.smallest_seen == "14.3 points" and replace(claim, effects=(ratio,)).smallest_seen == "1.38×"
    counted = replace(points, counted=True)
    assert replace(claim, effects=(counted,)).smallest_seen == "–"


def test_a_panel_keeps_its_own_factor_and_several_are_judged_together(two: Callable[..., list[Measures]]):
    panels = two(changed(headline(), "chosen", shifts={"shuffle": -0.03}))
    (effect,) = by_key(panels)["dots_steps"].effects
    own = [measures.time("chosen", "steps").less for measures in panels]
    assert [one.value for one in own if one is not None] == [found.value for found in effect.panels.values()]
    values = [found.value for found in effect.panels.values()]
    assert min(values) < effect.pooled.value < max(values) and effect.pooled.known
    assert effect.other_tasks is None, "two tasks say nothing of others"


def test_an_arm_that_never_arrives_is_slower_and_stays_in(two: Callable[..., list[Measures]]):
    (effect,) = by_key(two(changed(headline(), "chosen", curve=WORSE)))["dots_steps"].effects
    assert math.isnan(effect.pooled.value) and effect.pooled.low == 0 and effect.pooled.clear_of(1.0) == -1
    assert effect.told((1.0,)).startswith("not reached, < ")


def test_too_few_evaluations_tell_no_factor_and_why(quick_study: Callable[..., Store]):
    arms = {"plain": ({}, Behaviour(PLAIN, JITTER)), "chosen": (DOTS, Behaviour(BEST, JITTER))}
    claim = by_key(dots_panels(quick_study(arms, fields={"report": {"baseline": "plain"}})))["dots_steps"]
    assert claim.verdict == "undecided"
    assert claim.effects[0].told() == "not told: 4 evaluations a run, at least 8 are needed"


# ---------------------------------------------------------------- the headline


def test_headline_claims_measure_what_the_store_was_given(two: Callable[..., list[Measures]]):
    found = by_key(two(headline()))
    value = {key: claim.effects[0].pooled.value for key, claim in found.items() if claim.effects}
    assert value["effective"] == pytest.approx(0.2)
    assert str(found["effective"].published) == ("section 5.3, Figure 4: +25.4 points on average, curves 51 % to 76 %")
    # DOTS crosses GRPO's 0.6 between 0.5 at step 2 and 0.61 at step 4; 64 tokens and 0.05 s of probes a step.
    there = 2 + 2 * 0.1 / 0.11
    assert value["dots_steps"] == pytest.approx(8 / there, rel=2e-3)
    assert value["dots_tokens"] == pytest.approx(8 * 320 / (there * 384), rel=2e-3)
    assert value["dots_seconds"] == pytest.approx(8 * 0.5 / (there * 0.55), rel=2e-3)
    assert value["rr_time"] == pytest.approx(0.5 / 0.375)
    assert value["rr_accuracy"] == pytest.approx(-0.01)
    assert value["lead_steps"] == pytest.approx(mean_height((0.5, 0.6, 0.63, 0.65)) - mean_height(PLAIN))
    lead = found["lead_tokens"].effects[0]  # 320 tokens a step of GRPO; half of them and 64 of probes in the other arm
    assert lead.up_to == f"{amount(8 * (320 / 2 + 64))} tokens" and lead.told().endswith(f"], up to {lead.up_to}")
    # Replay on top of DOTS: 0.55 s a step become 0.425; a point less at the end, and mean heights of both curves.
    assert value["replay_time"] == pytest.approx(0.55 / 0.425) and value["step_cheaper"] == pytest.approx(0.5 / 0.425)
    kept = [effect.pooled.value for effect in found["replay_accuracy"].effects]
    assert kept == pytest.approx([-0.01, mean_height((0.5, 0.6, 0.63, 0.65)) - mean_height(BETTER)])
    held = ("effective", "dots_steps", "dots_tokens", "rr_time", "rr_accuracy", "lead_steps", "lead_tokens")
    held += ("replay_time", "replay_accuracy", "step_cheaper")
    assert {key: found[key].verdict for key in held} == dict.fromkeys(held, "holds")
    assert found["effective"].in_favour == (2, 2)
    assert value["volume"] == pytest.approx(0.0) and found["volume"].verdict == "holds"
    assert found["volume"].effects[0].told((0.02,)) == "0.00 % (counted)" and found["volume"].in_favour == (2, 2)
    # Measured 0.25, -0.1 and 0.15 of a step; predicted 0.5 x (1 - 0.5), (1 - 1.25) and (1 - 0.75).
    errors = [effect.pooled.value for effect in found["step_time"].effects]
    assert errors == pytest.approx([0.025, 0.0, 0.025], abs=1e-6) and found["step_time"].verdict == "holds"


def test_another_store_turns_the_verdicts_around(two: Callable[..., list[Measures]]):
    arms = changed(headline(), "chosen", curve=WORSE, zero=0.7)
    arms = changed(arms, "both", curve=WORSE)
    arms = changed(arms, "again", curve=WORSE, replays=0.25, update_seconds=0.5)  # a quarter replayed, not half
    panels = two(arms)
    found = by_key(panels)
    turned = ("effective", "rr_time", "rr_accuracy", "lead_steps", "step_time")
    assert {key: found[key].verdict for key in turned} == dict.fromkeys(turned, "does not hold")
    assert found["dots_steps"].verdict != "holds"
    assert found["rr_accuracy"].effects[0].pooled.value < -0.05


def test_the_caption_counts_published_claims_apart_from_comparisons_of_ours(two: Callable[..., list[Measures]]):
    made = table(two(headline()))[0]
    assert made.caption.startswith(
        "Of 10 published claims about DOTS + RR checked here, 10 hold; of 11 comparisons of ours"
    )


def test_selection_and_replay_make_the_whole(two: Callable[..., list[Measures]]):
    panels = two(headline())
    found = {(part.kind, part.axis): {n: e.pooled.value for n, e in part.effects.items()} for part in split(panels)}
    for (kind, _), value in found.items():
        if kind == "accuracy":
            assert value["selection"] + value["replay"] == pytest.approx(value["whole"])
        else:
            assert value["selection"] * value["replay"] == pytest.approx(value["whole"])
    heights = [mean_height(behaviour.curve) for _, behaviour in headline().values()]
    plain, chosen, again, both = heights
    assert found["accuracy", "steps"]["selection"] == pytest.approx((chosen - plain + both - again) / 2)
    assert found["accuracy", "steps"]["beyond"] == pytest.approx(both - chosen - again + plain)
    # Per step: 0.5, 0.55, 0.375 and 0.425 s.
    assert found["step", "seconds"]["replay"] == pytest.approx(math.sqrt(0.5 / 0.375 * 0.55 / 0.425))
    made = {item.name: item for item in table(panels)}
    assert set(made) == {f"dots_rr.{name}" for name in ("claims", "dots_alone", "replay_on_top", "split")}


def test_what_did_not_run_is_said_and_a_panel_without_an_arm_is_left_out(two: Callable[..., list[Measures]]):
    arms = changed(headline(), "both", absent=("shuffle",))
    del arms["again"]
    panels = two(arms)
    found = by_key(panels)
    absent = (
        "rr_steps",
        "rr_time",
        "rr_accuracy",
        "add_up",
        "alpha",
        "dynamic_steps",
        "mean_only",
        "predictor_gain",
    )
    assert {key: found[key].verdict for key in absent} == dict.fromkeys(absent, "not measured")
    assert found["effective"].in_favour[1] == 2 and found["lead_steps"].in_favour[1] == 1
    assert split(panels) == []
    rows = {row[0]: row for row in table(panels)[0].rows}  # type: ignore[union-attr]
    assert rows["RR alone costs no accuracy at equal steps"][1:3] == ["**not measured**", "–"]


# ---------------------------------------------------------------- arms beside the headline

BESIDE = ("alpha", "correction", "clip_centre", "dynamic_steps", "dynamic_tokens", "filter_steps", "oracle_steps")
BESIDE += ("mean_only", "predictor_gain", "fewer_references", "curriculum_steps")


def test_claims_about_further_arms_turn_with_them(one: Callable[..., list[Measures]]):
    arms = further()
    before = by_key(one(arms))
    assert {key: before[key].verdict for key in BESIDE} == dict.fromkeys(BESIDE, "holds")
    gap = mean_height(BETTER) - mean_height(PLAIN)
    assert [effect.pooled.value for effect in before["alpha"].effects] == pytest.approx([gap, gap])
    gains = [mean_height(BEST) - mean_height(PLAIN), gap]
    assert before["mean_only"].effects[0].pooled.value == pytest.approx(gains[0] - gains[1])
    assert [effect.pooled.value for effect in before["mean_only"].beside] == pytest.approx(gains)
    assert before["predictor_gain"].effects[0].pooled.value == pytest.approx(0.5)
    assert before["predictor_level"].effects[0].pooled.value == pytest.approx(0.8)
    assert before["predictor_level"].verdict == "holds"
    assert before["references"].verdict == "holds"
    # Without reuse 8 steps of 8 groups and 4 refreshes of 4; with it a group less at each refresh.
    assert before["references_cost"].effects[0].pooled.value == pytest.approx((64 + 16) / (64 + 16 - 4))
    assert before["references_cost"].verdict == "holds", "completions are counted: the number itself is judged"
    assert str(before["references_cost"].published) == "appendix A.1: 4 to 12 % saved, 1.04 to 1.14×"
    assert "2 references in place of 4" in before["fewer_references"].short
    assert before["curriculum_steps"].short == "DOTS beats a curriculum by the column steps at equal steps"

    for name in ("low", "bare", "code", "resample", "filter", "fixed", "oracle"):
        arms = changed(arms, name, curve=BEST)
    arms = changed(arms, "chosen_mean", curve=PLAIN)
    arms = changed(changed(arms, "raw", pearson=0.9), "apart", curve=BEST)
    arms = changed(arms, "few", curve=PLAIN)
    after = by_key(one(arms))
    assert {key: after[key].verdict for key in BESIDE} == dict.fromkeys(BESIDE, "does not hold")
    assert after["references"].verdict == "does not hold"


OF_THE_PAPER = {
    *("effective", "dots_steps", "dots_seconds", "dots_rr_steps", "dots_rr_seconds", "step_cheaper"),
    *("replay_accuracy", "replay_time", "lead_steps", "lead_seconds", "predictor_gain", "predictor_level"),
    *("fewer_references", "references", "references_cost", "long", "curriculum_steps"),
}


def test_only_what_the_paper_claims_stands_as_published_and_replay_alone_as_ours(one: Callable[..., list[Measures]]):
    panels = one(headline())
    found = by_key(panels)
    assert {key for key, claim in found.items() if claim.published is not None} == OF_THE_PAPER
    cells = {row[0]: row[-1] for row in table(panels)[0].rows}  # type: ignore[union-attr]
    assert cells["RR alone costs no accuracy at equal steps"] == "a comparison of ours"
    assert cells["DOTS+RR reaches GRPO's final accuracy with fewer generated tokens"] == "a comparison of ours"
    assert cells["DOTS reaches GRPO's final accuracy in less time"] == (
        "appendix E.3, Figure 10a: curves 1.05 to 1.46×"
    )
    assert cells["Replay on top of DOTS keeps its accuracy at equal steps"] == (
        "section 5.4, Figure 5b: curves −0.26 to 0.00 points at the end, −0.30 to −0.07 points over training"
    )
    assert cells["DOTS+RR beats GRPO at equal seconds"] == (
        "section 5.2, Figure 3: curves +0.6 to +1.8 points over training; "
        "on science (section 5.4, Figure 6b) +1.9 points"
    )
    data = table(panels)[0].data.drop_duplicates("claim").set_index("claim")  # type: ignore[union-attr]
    assert data.loc["rr_time", "place"] == "" and data.loc["replay_time", "place"].startswith("section 5.4")


def test_completions_are_shown_as_counted_beside_the_adjusted_ones(one: Callable[..., list[Measures]]):
    reuses = {"selection": {**DOTS["selection"], "reuse_references": True}}
    arms = headline() | {"chosen": arm(BETTER, reuses, reused=3)}
    claim = by_key(one(arms))["volume"]
    assert claim.effects[0].pooled.value == pytest.approx(0.0)
    # Of DOTS: 8 steps of 8 groups and 4 refreshes of 4, of which 3 train and are not rolled out again.
    beside = {effect.name: effect.pooled.value for effect in claim.beside}
    assert beside["`chosen` ÷ `plain`, completions per step"] == pytest.approx((64 + 16 - 12) / 64)
    assert beside["`both` ÷ `plain`, completions per step"] == pytest.approx(0.75)
    assert beside["largest error of 3 arms, as counted"] == pytest.approx(1 - (64 + 16 - 12) / 80)
