"""What a report asks of selections: ours answer for themselves, a user's own goes by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.artefacts import make_artefacts
from repro.analysis.dots_rr.arms import DOTS, GRPO, role
from repro.analysis.leaderboard.board import Board
from repro.analysis.selections import Chosen
from repro.selection.method import Selection
from repro.selection.registry import builtin
from repro.spec.artefacts import ARTEFACTS
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

OWN = """
from repro.selection.method import Selection
class ShortFirst(Selection):
    share: float = 0.5
    def build(self, run):
        raise NotImplementedError
"""
FULL = Behaviour((0.4, 0.5, 0.6, 0.6), (0.0, 0.05, -0.05))


def asked(fields: dict[str, Any]) -> tuple[str, str | None, bool]:
    chosen = Chosen(fields)
    return chosen.title, chosen.score, chosen.plain


def test_ours_have_a_title_a_score_and_know_whether_they_are_plain() -> None:
    assert asked({}) == asked({"method": "uniform"}) == ("uniform", None, True)
    assert asked({"method": "random"}) == ("random subset", None, False)
    assert asked({"method": "confidence"}) == ("confidence filter", "confidence", False)
    assert asked({"method": "curriculum", "by": "pass_rate"}) == ("curriculum", "pass_rate", False)
    assert asked({"method": "difficulty"}) == ("DOTS", None, False)
    assert asked({"method": "scores", "column": "loss"}) == ("scores: loss", "loss", False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "every question"),
        ({"method": "random", "fraction": 0.25}, "a random 25 % of the questions"),
        ({"method": "confidence"}, "10 % of the questions, those whose confidence is near the mean"),
        ({"method": "hardest", "fraction": 0.2}, "20 % of the questions, those whose measured pass rate is lowest"),
        (
            {"method": "pass_rate", "band": {"low": 0.1, "high": 0.9}},
            "questions whose measured pass rate lies between 0.1 and 0.9",
        ),
        (
            {"method": "scores", "column": "loss", "band": {"low": 0, "high": 0.5, "scale": "quantile"}},
            "questions whose rank by loss lies between 0 and 0.5",
        ),
        (
            {"method": "confidence", "band": {"pass_rate": 0.5}},
            "10 % of the questions, those whose confidence goes with a pass rate near 0.5",
        ),
        ({"method": "difficulty", "target": 0.75}, "questions whose predicted pass rate is near 0.25"),
        (
            {"method": "difficulty", "target": 0.75, "measure": "pass_rate", "predictor": "oracle"},
            "questions whose measured pass rate is near 0.75",
        ),
        ({"method": "sec", "category": "steps"}, "questions of the categories, by steps, that lately had the largest"),
        ({"method": "gone_rules:HardOnes"}, "questions that HardOnes chooses"),
    ],
)
def test_what_an_arm_trains_on_is_told_in_words_with_its_own_numbers(fields: dict[str, Any], words: str) -> None:
    assert Chosen(fields).trains_on.startswith(words)


@pytest.mark.parametrize("cls", sorted(set(builtin().values()), key=lambda cls: cls.__name__))
def test_every_method_of_ours_says_what_it_trains_on(cls: type[Selection]) -> None:
    assert cls.trains_on is not Selection.trains_on


def test_only_single_passes_over_the_question_need_no_answer() -> None:
    alone = [m for m in ("confidence", "pass_rate", "prompt_perplexity", "prompt_entropy", "scores", "random")
             if Chosen({"method": m}).of_question_alone]  # fmt: skip
    assert alone == ["prompt_perplexity", "prompt_entropy"]


def test_a_method_whose_module_is_not_at_hand_goes_by_its_name() -> None:
    chosen = Chosen({"method": "gone_rules:HardOnes", "share": 0.5})
    assert (chosen.title, chosen.plain, chosen.dots, chosen.offline, chosen.score) == (
        "HardOnes",
        False,
        False,
        False,
        None,
    )


def test_an_arm_with_a_method_of_ones_own_appears_by_its_name_in_every_artefact(
    quick_study: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    mine = {"selection": {"method": "rules_of_mine:ShortFirst", "share": 0.25}}
    dots = {"selection": {"method": "difficulty", "references": 4}}
    measures = measure(quick_study({"full": ({}, FULL), "dots": (dots, FULL), "mine": (mine, FULL)}))
    assert [role(series) for series in measures.panel.series] == [GRPO, DOTS, "ShortFirst"]
    made = make_artefacts(list(ARTEFACTS), Board([measures]))
    tables = {item.name: item for items in made.values() for item in items}
    assert list(tables["dots_rr.alternatives"].rows[0][:2]) == ["ShortFirst", "`mine`"]  # type: ignore[union-attr]
