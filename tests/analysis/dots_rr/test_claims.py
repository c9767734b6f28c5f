"""The verdicts on DOTS + RR: read off intervals, turned by what the store holds, told with the numbers measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.artefacts import answer_of
from analysis.claims import Claim, side, verdict
from analysis.dots_rr.answer import answer
from analysis.dots_rr.claims import claims, table
from analysis.dots_rr.effects import pooled_ratio
from analysis.dots_rr.split import split
from analysis.measures import Measures
from analysis.statistics import Interval, t_interval
from analysis.times import Bounds, Ratio
from tests.analysis.dots_rr.study import DOTS, JITTER, REPLAY, dots_panels
from tests.analysis.synthetic import Behaviour, Store

Arms = dict[str, tuple[dict[str, Any], Behaviour]]

TWO = {"dataset": [{"arithmetic": {"pool": 64, "test": 100}}, {"shuffle": {"pool": 64, "test": 100}}]}
POLICY = {"name": "other", "tiny": {"width": 64, "layers": 2, "heads": 2}}
PLAIN, WORSE = (0.4, 0.5, 0.55, 0.6), (0.35, 0.4, 0.45, 0.5)
BETTER, BEST = (0.5, 0.61, 0.65, 0.66), (0.6, 0.7, 0.75, 0.76)


def arm(curve: tuple[float, ...], *sections: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Behaviour]:
    config: dict[str, Any] = {}
    for section in sections:
        config = config | section
    return config, Behaviour(curve, JITTER, **more)


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
    return arms | {name: (config, replace(before, **fields))}


def by_key(panels: list[Measures]) -> dict[str, Claim]:
    return {claim.key: claim for claim in claims(panels)}


@pytest.fixture
def two(quick_study: Callable[..., Store]) -> Callable[..., list[Measures]]:
    """Two datasets, one model; GRPO is the baseline."""
    fields = {**TWO, "report": {"baseline": "plain"}}
    return lambda arms, **more: dots_panels(quick_study(arms, questions=100, fields=fields, **more))


@pytest.fixture
def one(quick_study: Callable[..., Store]) -> Callable[..., list[Measures]]:
    """One model and dataset."""
    fields = {"report": {"baseline": "plain"}}
    return lambda arms, **more: dots_panels(quick_study(arms, questions=100, fields=fields, **more))


def mean_height(curve: tuple[float, ...]) -> float:
    """Over steps 0 to 8, from the start policy's 0.3."""
    return float(np.trapezoid([0.3, *curve], [0, 2, 4, 6, 8])) / 8


# ---------------------------------------------------------------- verdicts and pooling


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((-0.01, 0.01), 1), ((-0.03, 0.01), 0), ((-0.01, 0.03), 0), ((0.03, 0.04), -1), ((-0.04, -0.03), -1)],
)
def test_between_two_bars_an_interval_must_lie_inside_both(bounds: tuple[float, float], expected: int):
    assert side(Interval(0.0, *bounds, 3), -0.02, 0.02) == expected
    assert verdict([Interval(0.0, *bounds, 3)], -0.02, 0.02) == ("does not hold", "undecided", "holds")[expected + 1]


def ratio(point: float, low: float, high: float) -> Ratio:
    return Ratio(Bounds(point, point), low, high, (3, 3))


def test_speedups_pool_as_a_geometric_mean_over_panels():
    point, found = pooled_ratio([ratio(x, 0.5, 4.0) for x in (1.0, 2.0, 4.0)])
    over = t_interval(np.log([1.0, 2.0, 4.0]))
    assert (point.low, point.high) == pytest.approx((2.0, 2.0))
    assert (found.value, found.low, found.high) == pytest.approx((2.0, math.exp(over.low), math.exp(over.high)))
    _, few = pooled_ratio([ratio(2.0, 1.0, 4.0), ratio(8.0, 4.0, 16.0)])
    assert (few.value, few.low, few.high) == pytest.approx((4.0, 2.0, 8.0))
    single = pooled_ratio([ratio(2.0, 1.5, 3.0)])[1]
    assert (single.low, single.high) == pytest.approx((1.5, 3.0)), "one panel keeps its own interval"


def test_a_panel_where_an_arm_never_arrives_opens_the_pooled_speedup_downwards():
    ratios = [Ratio(Bounds(0.0, 0.8), 0.0, 0.9, (3, 3)), ratio(2.0, 1.5, 3.0), ratio(2.0, 1.5, 3.0)]
    point, found = pooled_ratio(ratios)
    assert point.low == 0.0 and point.high == pytest.approx((0.8 * 4) ** (1 / 3))
    assert math.isnan(found.value) and found.low == 0.0 and found.clear_of(1.0) == 0
    # All three open, none above 0.8: slower whatever they would have needed.
    slower = pooled_ratio([Ratio(Bounds(0.0, high), 0.0, high, (3, 3)) for high in (0.7, 0.75, 0.8)])[1]
    assert slower.clear_of(1.0) == -1


# ---------------------------------------------------------------- the headline


def test_headline_claims_measure_what_the_store_was_given(two: Callable[..., list[Measures]]):
    found = by_key(two(headline()))
    value = {key: claim.effects[0].pooled.value for key, claim in found.items() if claim.effects}
    assert value["effective"] == pytest.approx(0.2)
    assert str(found["effective"].published) == ("section 5.3, Figure 4: +25.4 points on average, curves 51 % to 76 %")
    # The median seed of DOTS holds 0.6 from step 4 on, GRPO's counts with its 8; 64 tokens and 0.05 s of probes a step.
    assert value["dots_steps"] == pytest.approx(8 / 4)
    assert value["dots_tokens"] == pytest.approx(8 * 320 / (4 * 384))
    assert value["dots_seconds"] == pytest.approx(8 * 0.5 / (4 * 0.55))
    assert value["rr_time"] == pytest.approx(0.5 / 0.375)
    assert value["rr_accuracy"] == pytest.approx(-0.01)
    assert value["lead_steps"] == pytest.approx(mean_height((0.5, 0.6, 0.63, 0.65)) - mean_height(PLAIN))
    # Replay on top of DOTS: 0.55 s a step become 0.425; a point less at the end, and mean heights of both curves.
    assert value["replay_time"] == pytest.approx(0.55 / 0.425) and value["step_cheaper"] == pytest.approx(0.5 / 0.425)
    kept = [effect.pooled.value for effect in found["replay_accuracy"].effects]
    assert kept == pytest.approx([-0.01, mean_height((0.5, 0.6, 0.63, 0.65)) - mean_height(BETTER)])
    held = ("effective", "dots_steps", "dots_tokens", "rr_time", "rr_accuracy", "lead_steps", "lead_tokens")
    held += ("replay_time", "replay_accuracy", "step_cheaper")
    assert {key: found[key].verdict for key in held} == dict.fromkeys(held, "holds")
    assert found["effective"].in_favour == (2, 2)
    assert found["volume"].verdict == "holds" and value["volume"] == pytest.approx(0.0)
    # Measured 0.25, -0.1 and 0.15 of a step; predicted 0.5 x (1 - 0.5), (1 - 1.25) and (1 - 0.75).
    errors = [effect.pooled.value for effect in found["step_time"].effects]
    assert errors == pytest.approx([0.025, 0.0, 0.025]) and found["step_time"].verdict == "holds"


def test_another_store_turns_the_verdicts_around(two: Callable[..., list[Measures]]):
    arms = changed(headline(), "chosen", curve=WORSE, zero=0.7)
    arms = changed(arms, "both", curve=WORSE)
    arms = changed(arms, "again", curve=WORSE, replays=0.25, update_seconds=0.5)  # a quarter replayed, not half
    panels = two(arms)
    found = by_key(panels)
    turned = ("effective", "rr_time", "rr_accuracy", "lead_steps", "volume", "step_time")
    assert {key: found[key].verdict for key in turned} == dict.fromkeys(turned, "does not hold")
    assert found["dots_steps"].verdict != "holds"
    said = " ".join(answer(panels))
    assert "Here it (RR) takes more time per step and costs accuracy" in said
    assert "its accuracy at the end −10.0 points" in said
    assert "Not ahead of GRPO: DOTS+RR at equal steps" in said and "clearly below" in said


def test_the_answer_leads_with_what_is_saved_and_tells_the_numbers(two: Callable[..., list[Measures]]):
    panels = two(headline())
    said = answer(panels)
    assert answer_of(["dots_rr.table_1", "dots_rr.claims"], panels) == said, "it leads the report"
    assert said[0].startswith("**To reach GRPO's accuracy, DOTS+RR saves") and said[0].endswith("**")
    assert "selection alone (DOTS) saves steps" in said[0]
    told = " ".join(said)
    assert said[0].endswith("Replay on top of DOTS saves time per step and keeps accuracy.**")
    assert "DOTS 2.00×" in told and "1.67×" in told and "23 to 62 % saved, 40.7 % on average, 1.30 to 2.61×" in told
    assert "by steps (published curves 1.36 to 1.88×)" in told
    assert (
        "Time per step: DOTS's ÷ DOTS+RR's 1.29×" in told and "(published about 20 % saved, curves 22 to 23 %" in told
    )
    assert "At equal steps replay on top of DOTS changes accuracy by −1.0 points" in told
    assert "(published curves −0.26 to 0.00 points at the end" in told
    alone = "The paper has no replay without selection. Here it (RR) saves time per step and keeps accuracy: GRPO's"
    assert f"{alone} time per step ÷ its own is 1.33×" in told
    assert said[-1].startswith(
        "Of 10 published claims about DOTS + RR checked here, 10 hold; of 11 comparisons of ours"
    )
    assert "in steps on " in told and "2 pairs of model and dataset, 3 seeds" in told


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
    assert {key: found[key].verdict for key in absent} == dict.fromkeys(absent, "not run")
    assert found["effective"].in_favour[1] == 2 and found["lead_steps"].in_favour[1] == 1
    assert not any("no replay without selection" in text for text in answer(panels))
    assert split(panels) == []
    rows = {row[0]: row for row in table(panels)[0].rows}  # type: ignore[union-attr]
    assert rows["RR alone costs no accuracy at equal steps"][1:3] == ["**not run**", "–"]


def test_without_dots_or_replay_there_is_no_answer(one: Callable[..., list[Measures]]):
    assert answer(one({"plain": headline()["plain"]})) == ()


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
    assert before["references_cost"].verdict == "holds"
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
    data = table(panels)[0].data.drop_duplicates("claim").set_index("claim")  # type: ignore[union-attr]
    assert data.loc["rr_time", "place"] == "" and data.loc["replay_time", "place"].startswith("section 5.4")


def test_completions_are_shown_as_counted_beside_the_adjusted_ones(one: Callable[..., list[Measures]]):
    reuses = {"selection": {**DOTS["selection"], "reuse_references": True}}
    arms = headline() | {"chosen": arm(BETTER, reuses, reused=3)}
    claim = by_key(one(arms))["volume"]
    assert claim.effects[0].pooled.value == pytest.approx(0.0) and claim.verdict == "holds"
    # Of DOTS: 8 steps of 8 groups and 4 refreshes of 4, of which 3 train and are not rolled out again.
    beside = {effect.name: effect.pooled.value for effect in claim.beside}
    assert beside["`chosen` ÷ `plain`, as counted"] == pytest.approx((64 + 16 - 12) / 64)
    assert beside["`both` ÷ `plain`, as counted"] == pytest.approx(0.75)
    assert beside["largest error of 3 arms, as counted"] == pytest.approx(1 - (64 + 16 - 12) / 80)
