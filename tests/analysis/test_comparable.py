"""Arms whose selection costs too much are told apart from arms that lost at equal tokens or seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from repro.analysis.comparable import unfit, unfit_at_end
from repro.analysis.dots_rr.ablations import ablations
from repro.analysis.dots_rr.area import auc
from repro.analysis.dots_rr.claims import claims, table
from repro.analysis.effects import difference, finals
from repro.analysis.measures import Measures
from repro.analysis.page.answer import answer
from repro.analysis.page.result_tables import accuracy_table
from repro.analysis.page.time_tables import time_table
from repro.analysis.primary import Question, judge
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.arms import difference_to_full
from repro.analysis.ufo_rl.batches import table_5
from repro.tracking.series import GENERATED_TOKENS, SECONDS
from tests.analysis.behaviour import SECONDS as STEP_SECONDS
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

Make = Callable[..., Store]

CURVE, JITTER = (0.4, 0.5, 0.6, 0.6), (-0.02, 0.0, 0.02)
FASTER = (0.5, 0.6, 0.65, 0.65)
DOTS: dict[str, Any] = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
REPLAY: dict[str, Any] = {"replay": {"fresh": 0.5, "capacity": 8}}


def filtered(samples: int) -> dict[str, Any]:
    """Labels 64 questions for `samples` x 640 tokens; the whole run of an arm without selection takes 2,560."""
    return {"selection": {"method": "pass_rate", "samples": samples, "band": {"low": 0.2, "high": 0.8}}}


def arms(samples: int = 8) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """GRPO, DOTS a tenth of a step dearer, RR, both, and a filter that learns as DOTS does once it has labelled."""
    return {
        "plain": ({}, Behaviour(CURVE, JITTER)),
        "chosen": (DOTS, Behaviour(FASTER, JITTER, probe_tokens=32)),
        "again": (REPLAY, Behaviour(CURVE, JITTER, replays=0.5)),
        "both": (DOTS | REPLAY, Behaviour(FASTER, JITTER, probe_tokens=32, replays=0.5)),
        "filter": (filtered(samples), Behaviour(FASTER, JITTER)),
    }


def pair(quick_study: Make, other: tuple[dict[str, Any], Behaviour], metric: str = GENERATED_TOKENS) -> bool:
    """Whether an arm can be compared with plain GRPO at equal cost, from both sides."""
    panel = measure(quick_study({"plain": ({}, Behaviour(CURVE, JITTER)), "other": other})).panel
    found = unfit(panel.series, metric)
    assert found == unfit(panel.series[::-1], metric) and set(found) <= {"other"}
    return not found


# ---------------------------------------------------------------- the rule


@pytest.mark.parametrize(("samples", "expected"), [(1, True), (2, True), (3, True), (4, False), (8, False)])
def test_a_filter_can_be_compared_while_labelling_leaves_it_a_fifth_of_the_training(
    quick_study: Make, samples: int, expected: bool
):
    # With 3 samples it has made 2 of 8 steps where plain GRPO ends, with 4 none.
    assert pair(quick_study, (filtered(samples), Behaviour(CURVE))) is expected


@pytest.mark.parametrize(("tokens", "expected"), [(319, True), (320, True), (321, False), (9 * 320, False)])
def test_an_arm_that_probes_at_every_step_can_until_its_probes_cost_more_than_the_other_run(
    quick_study: Make, tokens: int, expected: bool
):
    # A step of plain GRPO takes 320 tokens: with 321 for probes the arm has made four of eight steps where that ends.
    assert pair(quick_study, (DOTS, Behaviour(CURVE, probe_tokens=tokens))) is expected


def test_of_a_longer_run_the_selection_for_as_much_training_counts(quick_study: Make):
    longer = {**DOTS, "train": {"steps": 32}}
    assert pair(quick_study, (longer, Behaviour(CURVE * 4, probe_tokens=200)))
    assert not pair(quick_study, (longer, Behaviour(CURVE * 4, probe_tokens=400)))


def test_an_arm_whose_training_is_slow_has_lost_and_is_compared(quick_study: Make):
    slow = Behaviour(CURVE, update_seconds=10 * STEP_SECONDS)
    assert pair(quick_study, ({"train": {"advantage_std": False}}, slow), SECONDS)


def test_probes_that_train_are_training(quick_study: Make):
    # All 8 groups of a step were probed, of 48 or of 8 + 40 that nobody trains on: the latter are selection.
    every = {"selection": {"method": "difficulty", "references": 48, "every": 1, "reuse_references": True}}
    dear = Behaviour(CURVE, probe_tokens=48 * 40, reused=8)
    assert not pair(quick_study, (every, dear))
    few = {"selection": {**every["selection"], "references": 8}}
    assert pair(quick_study, (few, Behaviour(CURVE, probe_tokens=48 * 40, reused=8)))


def test_at_equal_steps_everything_can_be_compared(quick_study: Make):
    assert pair(quick_study, (filtered(8), Behaviour(CURVE)), "step")


def test_the_reason_has_both_costs_and_what_they_left(quick_study: Make):
    panel = measure(quick_study(arms())).panel
    (why,) = unfit((panel.get("filter"), panel.get("chosen")), GENERATED_TOKENS).values()
    assert (why.arm, why.other, why.selection, why.whole) == ("filter", "chosen", 5120, 8 * (320 + 32))
    assert why.reason == (
        "selection of `filter` takes 5.12 k generated tokens, the whole run of `chosen` 2.82 k; where that ends, "
        "`filter` has made 0 steps, `chosen` 8"
    )


# ---------------------------------------------------------------- claims and tables of DOTS + RR


def panels(quick_study: Make, samples: int) -> list[Measures]:
    return [measure(quick_study(arms(samples), questions=100, wiggle=True, fields={"report": {"baseline": "plain"}}))]


def test_a_void_comparison_is_no_win(quick_study: Make):
    found = panels(quick_study, 8)
    by_key = {claim.key: claim for claim in claims(found)}
    tokens, steps = by_key["filter_tokens"], by_key["filter_steps"]
    assert (tokens.verdict, tokens.in_favour) == ("not comparable", (0, 0))
    assert steps.verdict in ("undecided", "does not hold", "holds") and steps.in_favour[1] == 1
    (row,) = [row for row in table(found)[0].rows if row[0].startswith("DOTS beats an offline") and "tokens" in row[0]]
    assert row[1] == "**not comparable**" and "takes 5.12 k" in row[2] and "2.82 k" in row[2]
    assert "1 is not comparable" in table(found)[0].caption
    assert any("such pairs count for no verdict" in note for note in table(found)[0].notes)


def test_with_less_labelling_the_same_claim_is_judged(quick_study: Make):
    by_key = {claim.key: claim for claim in claims(panels(quick_study, 2))}
    assert by_key["filter_tokens"].verdict == "holds"


def test_tables_mark_the_pair_and_say_why(quick_study: Make):
    found = panels(quick_study, 8)
    for made in (*auc(found), *ablations(found)):
        if isinstance(made, Table) and any("`filter`" in row for row in made.rows):
            (row,) = [row for row in made.rows if "`filter`" in row]
            assert "not comparable" in row and "takes 5.12 k generated tokens" in made.caption
    filtered_row = time_table(found[0]).rows[-1]
    assert filtered_row[0] == "`filter`" and filtered_row[6] == "not comparable" and filtered_row[4] == "–"


def test_the_answer_neither_praises_nor_blames_what_cannot_be_compared(quick_study: Make):
    (measures,) = panels(quick_study, 8)
    said = answer([measures], judge([Question("filter", "plain", "tokens")], [measures.panel]))
    assert said.sentences[1] == "`filter` is not comparable: its selection costs too much."
    assert any("selection of `filter` takes 5.12 k generated tokens" in note for note in said.table.notes)
    assert said.table.rows[-1][2:4] == ["not comparable", "–"]


# ---------------------------------------------------------------- arms that stop at as many tokens


def test_final_accuracies_are_not_compared_where_the_budget_went_into_labels(quick_study: Make):
    budget = {"budget": {"tokens": 2560}}
    both = {"full": (budget, Behaviour(CURVE, JITTER)), "rate": (budget | filtered(8), Behaviour(FASTER, JITTER))}
    measures = measure(quick_study(both))
    full, rate = measures.panel.series
    assert unfit_at_end(rate, full) is not None and unfit_at_end(full, full) is None
    effect = difference([measures], "rate", "full", finals)
    assert effect is not None and not effect.comparable and "takes 5.12 k" in effect.told()
    assert difference_to_full(measures, rate) == unfit_at_end(rate, full)
    assert accuracy_table(measures).rows[-1][7] == "not comparable"
    table = table_5([measures])[0]
    assert isinstance(table, Table) and not any("+5.0" in cell for row in table.rows for cell in row[:4])


def test_a_sweep_whose_dear_value_hardly_trains_says_so(quick_study: Make):
    many = {"selection": {**DOTS["selection"], "references": 48}}
    studied = arms() | {"many": (many, Behaviour(CURVE, JITTER, probe_tokens=9 * 320))}
    found = [measure(quick_study(studied, fields={"report": {"baseline": "plain"}}))]
    made = {one.name: one for one in ablations(found)}
    table, picture = made["dots_rr.ablation_k"], made["dots_rr.ablation_grid"]
    assert isinstance(table, Table)
    assert "not comparable" in next(row for row in table.rows if "`many`" in row)
    assert "selection of `many` takes" in table.caption
    assert picture.caption.endswith("Not comparable at equal tokens: `many`.")
    assert set(picture.data["measure"]) == {"by_steps"}
