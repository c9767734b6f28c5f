"""The figure of the first screen: which arms it draws, what its caption says, and the savings told above it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from repro.analysis.leaderboard.board import board_of
from repro.analysis.measures import Measures
from repro.analysis.page.budgets import differ
from repro.analysis.page.figures import accuracy_curves
from repro.analysis.page.report import ahead, write_report
from repro.analysis.primary import exploratory
from tests.analysis.behaviour import Behaviour
from tests.analysis.page.answers import BETTER, DOTS, FULL, JITTER, RANDOM, SAME, Make, answered, claimed, drawn
from tests.analysis.synthetic import edit, make_study


def test_of_many_exploratory_arms_those_that_are_clearly_ahead_are_drawn(store_uri: str, tmp_path: Path) -> None:
    arms = {f"arm{i}": (RANDOM, SAME) for i in range(7)} | {"good": (DOTS, BETTER)}
    fields = {"report": {"claims": [{"arm": "arm0"}], "artefacts": ["leaderboard.practice"]}}
    made = {"full": ({}, FULL), **arms}
    store = make_study(tmp_path, store_uri, made, name="many", seeds=5, questions=100, fields=fields)
    study = store.read()
    beside = exploratory(study.spec, study.panels)
    assert len(beside) == 7
    written = write_report(store.loaded, store.runs_dir, store.runs_dir.parent / "out", store.uri)
    rows = pd.read_csv(written.parent / "figures" / "answer.csv")
    assert {"arm0", "good"} <= set(rows["arm"]) and "arm1" not in set(rows["arm"])
    text = (written.parent / "report.md").read_text()
    assert (
        "Below the line: of 8 arms compared with full, those clearly ahead that no claim names, after Holm's "
        "correction over all 8." in text
    )
    assert "Of 8 arms, at equal tokens `good`" in text, "the sentence and the figure are about the same arms"
    board = board_of([Measures(panel) for panel in study.panels], study)
    assert [one.question.arm for one in ahead(board, beside)[0]] == ["good"]
    open_ones = {label: replace(one, p=0.06) for label, one in board.judged("tokens").items()}
    board.judged = lambda by: open_ones  # type: ignore[method-assign]
    assert ahead(board, beside)[0] == [], "what the leaderboard leaves undecided is not drawn"


def test_rows_that_reach_up_to_nearly_the_same_cost_are_not_said_not_to_add_up() -> None:
    def rows(*budgets: float) -> Any:
        panels = [SimpleNamespace(title=f"task {place}") for place in range(2)]
        return [
            SimpleNamespace(pairs=[SimpleNamespace(panel=p, budget=b * k) for k, p in enumerate(panels, 1)])
            for b in budgets
        ]

    assert not differ(rows(100e3, 100_400, 104_900)), "a batch more or less"
    assert differ(rows(100e3, 106e3)) and differ(rows(100e3, 94e3))
    assert not differ(rows()) and not differ(rows(100e3)), "two tasks of different length are no rows"


def test_captions_say_why_curves_end_at_different_costs_and_only_where_they_do(quick_study: Make) -> None:
    why = "Every run is given 8 steps, so that curves end at different costs."
    short = Behaviour(SAME.curve, SAME.jitter, replays=0.5)
    store = claimed(quick_study, dots=SAME, random=short)
    (panel,) = store.read().panels
    for caption in (drawn(store).caption, accuracy_curves(Measures(panel)).caption):
        assert caption.endswith(why)
    same = quick_study({"full": ({}, FULL), "random": (RANDOM, SAME)}, seeds=5, questions=100)
    assert "curves end" not in drawn(same).caption


def test_the_answer_names_the_savings_of_claims_that_have_one(quick_study: Make) -> None:
    slow = Behaviour(tuple(0.3 + 0.04 * step for step in range(1, 9)), JITTER)
    fast = Behaviour(tuple(min(0.62, 0.3 + 0.08 * step) for step in range(1, 9)), JITTER[::-1])
    arms = {"full": ({}, slow), "dots": (DOTS, fast), "random": (RANDOM, slow)}
    for claims in ([{"arm": "dots"}], [{"arm": "dots"}, {"arm": "random", "against": "dots"}]):
        said = answered(quick_study(arms, every=1, seeds=3, questions=60, fields={"report": {"claims": claims}}))
        (saving,) = [row[3] for row in said.table.rows if row[0].startswith("`dots`: DOTS")]
        who = "It reached the same accuracy" if len(claims) == 1 else "`dots` reached the accuracy of `full`"
        assert said.sentences[1].startswith(f"{who} with {saving.split('.')[0]}."), said.sentences
        assert len(re.findall(r"\d+(?:\.\d+)?", re.sub(r"`[^`]+`", "", " ".join(said.sentences)))) <= 4


def test_what_a_predictor_cost_once_for_all_runs_is_told_beside_the_answer(quick_study: Make) -> None:
    store = claimed(quick_study, dots=BETTER, random=SAME)
    assert "predictor" not in answered(store).arms
    for run in store.read().runs:
        if run.place.arm == "dots":
            path = store.runs_dir / run.identity / "ledger.json"
            costs = json.loads(path.read_text()) | {"predictor": {"generated_tokens": 251_000.0}}
            edit(path, json.dumps(costs))
    assert answered(store).arms.endswith(
        "The difficulty predictor of `dots` took 251 k generated tokens, once for all runs: they are in no number here."
    )
