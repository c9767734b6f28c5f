"""The leaderboard of made-up studies: what is drawn, what is told, and that no sentence has a number of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from repro.analysis.leaderboard.artefacts import ARTEFACTS
from repro.analysis.leaderboard.board import Board, board_of
from repro.analysis.leaderboard.practice import lead, paragraph
from repro.analysis.leaderboard.variants import variants
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.primary import Question, judge
from repro.analysis.tables import Table
from repro.analysis.unfinished import together
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.drawing import check, visible
from tests.analysis.latex import needs_pdflatex, unfit
from tests.analysis.leaderboard.study import leaderboard
from tests.analysis.synthetic import Store, make_study

Made = dict[str, Table | Picture]


def board(store: Store) -> Board:
    study = store.read()
    return board_of([Measures(panel) for panel in study.panels], study)


def everything(of: Board) -> Made:
    """All tables and figures by name."""
    return {item.name.removeprefix("leaderboard."): item for make in ARTEFACTS.values() for item in make(of)}


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Board]:
    folder = tmp_path_factory.mktemp("boards")
    shapes: dict[str, dict[str, int]] = {
        "several tasks": {"count": 5, "points": 8},
        "one task": {"count": 4, "seeds": 3, "policies": 1, "tasks": 1},
        "one seed": {"count": 3, "seeds": 1, "points": 2, "policies": 1, "tasks": 2},
    }
    return {
        name: board(leaderboard(folder / str(place), **shape)) for place, (name, shape) in enumerate(shapes.items())
    }


@pytest.fixture(scope="module")
def made(boards: Mapping[str, Board]) -> Mapping[str, Made]:
    return {name: everything(one) for name, one in boards.items()}


FLAT = Behaviour((0.3, 0.3), (0.0, 0.01, -0.01))

SHAPES = ("several tasks", "one task", "one seed")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_figure_can_be_read_on_a_page_and_in_a_column(made: Mapping[str, Made], shape: str):
    figures = [item for item in made[shape].values() if isinstance(item, Picture)]
    assert {figure.name for figure in figures} == {
        f"leaderboard.{n}" for n in ("gain", "forest", "stability", "selected")
    }
    for figure in figures:
        for narrow in (False, True) if shape == "several tasks" else (True,):
            check(figure, narrow)


def test_every_table_fits_a_paper(made: Mapping[str, Made], tmp_path: Path):
    needs_pdflatex()
    assert not unfit(made["several tasks"].values(), tmp_path / "many")
    assert not unfit(made["one seed"].values(), tmp_path / "few")


def test_the_leaderboard_is_ordered_by_the_difference_at_equal_tokens_as_the_claims_are_judged(
    boards: Mapping[str, Board],
):
    one = boards["several tasks"]
    panels = [measures.panel for measures in one.panels]
    arms = [label for label in one.order if label not in one.baselines]
    judged = judge([Question(label, "uniform", "tokens") for label in arms], panels)
    values = [found.difference.value for found in judged]
    assert values == sorted(values, reverse=True)
    assert [one.judged("tokens")[label].difference.value for label in arms] == pytest.approx(values)
    assert one.scores.means[[one.order.index(label) for label in arms]] == pytest.approx(values)
    assert one.scores.means[one.order.index("uniform")] == 0


def test_an_arm_that_failed_has_a_row_without_a_rank_and_one_that_lacks_a_task_says_on_how_many_pairs(
    made: Mapping[str, Made],
):
    table = made["several tasks"]["ranking"]
    assert isinstance(table, Table)
    rows = {row[1]: row for row in table.rows}
    assert rows["`dynamic`"][header(table, "pairs")] == "4 of 6", "it has not run on shuffle"
    assert rows["`random`"][header(table, "pairs")] == "4 of 6; failed (out of memory)", "on variables"
    assert (rows["`ufo`"][0], rows["`ufo`"][2]) == ("–", "failed (out of memory)")
    assert len(rows) == 6


def test_states_of_several_pairs_are_told_together_with_every_kind_of_failure_once():
    assert together(["failed (NaN)", "running", "failed (mistake)", "failed (NaN)"]) == "failed (NaN and mistake)"
    assert [together(states) for states in ([], ["not run", "killed"], ["failed"])] == ["not run", "killed", "failed"]


def test_pairs_are_in_the_caption_where_every_arm_has_run_on_all_of_them(tmp_path: Path):
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.01, -0.01))),
        "fast": ({"selection": {"method": "dynamic"}}, Behaviour(learning(0.8), (0.0, -0.01, 0.01))),
    }
    table = everything(board(make_study(tmp_path, None, arms)))["ranking"]
    assert isinstance(table, Table) and "pairs" not in table.header
    assert all(len(row) == len(table.header) for row in table.rows)
    assert "3 seeds on one pair." in table.caption


def test_the_first_page_counts_the_arms_that_are_clear_of_the_baseline(boards: Mapping[str, Board]):
    one = boards["several tasks"]
    verdicts = [found.verdict for found in one.judged("tokens").values()]
    ahead, behind = verdicts.count("higher"), verdicts.count("lower")
    told = lead(one)
    named = [
        f"`{label}` (+{100 * found.difference.value:.1f} points)"
        for label, found in one.judged("tokens").items()
        if found.verdict == "higher"
    ]
    assert 1 <= ahead == len(named) <= 3 and all(text in told for text in named)
    assert told.startswith(f"Of {len(verdicts)} arms, at equal tokens `") and "clearly ahead of `uniform`" in told
    assert told.endswith(f", and {behind or 'none'} clearly behind.")
    assert lead(boards["one seed"]) == ""


def header(table: Table, name: str) -> int:
    return list(table.header).index(name)


def test_an_arm_whose_selection_leaves_hardly_any_training_is_not_ranked_but_listed(tmp_path: Path):
    sampled = {"selection": {"method": "pass_rate", "band": {"low": 0.2, "high": 0.8}}}
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.01, -0.01))),
        "band": (sampled, Behaviour(learning(0.7), (0.0, 0.01, -0.01))),
        "fast": ({"selection": {"method": "dynamic"}}, Behaviour(learning(0.8, speed=4.0), (0.0, -0.01, 0.01))),
    }
    one = board(make_study(tmp_path, None, arms, fields={"report": {"baseline": "full"}}))
    assert one.order == ("fast", "full") and one.uncompared == ("band",)
    table = everything(one)["ranking"]
    assert isinstance(table, Table) and table.rows[-1][:3] == ["–", "`band`", "not comparable"]


def test_a_pair_on_which_the_baseline_learned_nothing_counts_in_points_is_in_no_share_and_is_named(tmp_path: Path):
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.01, -0.01), shifts={"shuffle": -0.32})),
        "fast": ({"selection": {"method": "dynamic"}}, Behaviour(learning(0.8), (0.0, -0.01, 0.01))),
    }
    fields = {"dataset": [{"arithmetic": {"pool": 64, "test": 20}}, {"shuffle": {"pool": 64, "test": 20}}]}
    one = board(make_study(tmp_path, None, arms, fields=fields))
    assert list(one.weak) == ["tiny-96x2 on shuffle"]
    table = everything(one)["ranking"]
    assert isinstance(table, Table) and "or not clearly: tiny-96x2 on shuffle (−" in table.caption
    fast = one.judged("tokens")["fast"]
    strong, weak = fast.pairs
    assert (strong.weak, weak.weak) == (False, True)
    assert fast.difference.value == pytest.approx((strong.difference.value + weak.difference.value) / 2)
    assert fast.share.value == pytest.approx(strong.difference.value / strong.gained.value)
    assert one.scores.means[one.order.index("fast")] == pytest.approx(fast.difference.value)
    row = table.data.set_index("arm").loc["fast"]
    assert (row["pairs"], row["pairs_in_share"]) == (2, 1)


def test_where_the_baseline_learned_nothing_anywhere_arms_are_ranked_in_points_alone(tmp_path: Path):
    arms = {"full": ({}, Behaviour((0.3, 0.3), (0.0, 0.0, 0.0))), "low": ({"train": {"learning_rate": 1e-5}}, FLAT)}
    one = board(make_study(tmp_path, None, arms, steps=4))
    made = everything(one)
    table = made["ranking"]
    assert isinstance(table, Table) and {row[header(table, "% of gain")] for row in table.rows} == {"–"}
    assert table.rows[0][header(table, "rank")] in ("1", "1.5")
    check(made["gain"], narrow=True)  # type: ignore[arg-type]


def test_one_task_makes_no_claim_about_others_and_three_have_an_interval_over_tasks(made: Mapping[str, Made], boards):
    one, several = (made[shape]["ranking"] for shape in ("one task", "several tasks"))
    assert isinstance(one, Table) and isinstance(several, Table)
    assert "One task: no claim about other tasks." in one.caption and "on other tasks, points" not in one.header
    assert "on other tasks, points" in several.header and "no claim about other tasks" not in several.caption
    assert paragraph(boards["one task"])[-1] == "One task: no claim about other tasks."


def test_one_seed_decides_nothing_and_has_no_interval(made: Mapping[str, Made], boards: Mapping[str, Board]):
    table = made["one seed"]["ranking"]
    assert isinstance(table, Table)
    compared = [row for row in table.rows if row[header(table, "clear")] != "–"]
    assert compared and all(row[header(table, "clear")] == "one seed" for row in compared)
    assert all(row[header(table, "95 % of ranks")] == "–" for row in table.rows)
    practice = made["one seed"]["practice"]
    assert isinstance(practice, Table) and {row[header(practice, "seeds for 2 points")] for row in practice.rows} == {
        "–"
    }
    orders = made["one seed"]["orders"]
    assert isinstance(orders, Table) and "to the target" not in [row[0] for row in orders.rows], "too few evaluations"
    assert paragraph(boards["one seed"])[0] == "One seed of each arm: nothing is clear of `uniform`."


# ---------------------------------------------------------------- stability


def test_leaving_out_a_task_or_a_seed_is_what_a_study_without_it_would_say(boards: Mapping[str, Board]):
    one = boards["several tasks"]
    found = {variant.name: variant for variant in variants(one)}
    kept = [measures.panel for measures in one.panels if measures.panel.dataset != "shuffle"]
    (judged,) = judge([Question("random", "uniform", "tokens")], kept)
    assert found["without shuffle"].values["random"] == pytest.approx(judged.difference.value)
    assert {"all runs", "on shuffle alone", "with tiny-64x2 alone", "at equal steps", "at the end"} <= set(found)
    assert all(variant.values["uniform"] == 0 for variant in found.values())
    seeds = {variant.name: variant for variant in variants(boards["one task"])}
    assert {"without seed 0", "without seed 1", "without seed 2"} <= set(seeds)
    (pair,) = boards["one task"].judged("tokens")["dots"].pairs
    rows = np.mean([part.mean(axis=1) for part in pair.pair.differences()], axis=0)
    assert seeds["without seed 0"].values["dots"] == pytest.approx(rows[1:].mean())


def test_a_conclusion_that_turns_between_tasks_is_said(tmp_path: Path):
    shifts = {"shuffle": -0.25, "arithmetic": 0.15}
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.0, 0.0))),
        "moody": ({"selection": {"method": "dynamic"}}, Behaviour(learning(0.6), (0.0, 0.0, 0.0), shifts=shifts)),
        "calm": ({"train": {"learning_rate": 1e-5}}, Behaviour(learning(0.7), (0.0, 0.0, 0.0))),
    }
    fields = {"dataset": [{"arithmetic": {"pool": 64, "test": 40}}, {"shuffle": {"pool": 64, "test": 40}}]}
    store = make_study(tmp_path, None, arms, fields=fields, questions=40, wiggle=True)
    table = everything(board(store))["conclusions"]
    assert isinstance(table, Table)
    assert "`moody` is ahead of the baseline on arithmetic alone but behind on shuffle alone." in table.caption
    assert [row[0] for row in table.rows] == ["`moody`"]


def test_ranks_of_the_heat_map_are_those_of_the_orders(made: Mapping[str, Made], boards: Mapping[str, Board]):
    picture = made["several tasks"]["stability"]
    assert isinstance(picture, Picture)
    data = picture.data.set_index("arm")
    assert list(data["all runs"]) == sorted(data["all runs"]) and list(data.index) == list(
        boards["several tasks"].order
    )
    axis = visible(check(picture, narrow=False))[0]
    shown = [text.get_text() for text in axis.texts]
    assert shown[0] == "1" and len(shown) == len(data) * len(axis.get_xticks())


# ---------------------------------------------------------------- what was selected


def test_shares_of_what_was_selected_add_up_and_match_the_steps(made: Mapping[str, Made], boards: Mapping[str, Board]):
    picture = made["one task"]["selected"]
    assert isinstance(picture, Picture)
    data = picture.data
    for shown in ("True difficulty", "Start policy"):
        sums = data[data["shown"] == shown].groupby("arm")["share"].sum()
        assert sums.to_numpy() == pytest.approx(1.0) and "whole pool" in sums.index
    (measures,) = boards["one task"].panels
    series = measures.panel.get("dots")
    counts = [
        np.mean([level == 3 for row in run.rows("steps.jsonl") for level in row["steps_true"]]) for run in series.runs
    ]
    own = data[(data["shown"] == "True difficulty") & (data["arm"] == "dots")].set_index("steps")["share"]
    assert own["3"] == pytest.approx(np.mean(counts))


# ---------------------------------------------------------------- in words


@pytest.mark.parametrize("shape", SHAPES)
def test_every_number_of_a_sentence_stands_in_a_table(
    made: Mapping[str, Made], boards: Mapping[str, Board], shape: str
):
    sentences = paragraph(boards[shape])
    assert 1 <= len(sentences) <= 5
    tables = [item for name, item in made[shape].items() if isinstance(item, Table)]
    cells = " ".join(cell for table in tables for row in table.rows for cell in (*row, *table.header))
    known = set(re.findall(r"\d+(?:\.\d+)?", cells)) | counts(boards[shape])
    for text in sentences:
        assert set(re.findall(r"(?<![`\w])\d+(?:\.\d+)?", re.sub(r"`[^`]*`", "", text))) <= known, text


def counts(one: Board) -> set[str]:
    """Numbers of arms, tasks and pairs: what a reader can count in the tables."""
    return {str(count) for count in range(max(len(one.arms), len(one.panels)) + 1)}


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        (
            0.8,
            r"From the same tokens only `fast` \(\+\d+\.\d \[.*\]\) learned clearly more than `full`, in points of .*",
        ),
        (
            0.6,
            r"From the same tokens no arm learned clearly more than `full`; the highest is `fast` \(.* points\)\.",
        ),
        (0.4, r"From the same tokens no arm learned clearly more than `full`.*"),
    ],
)
def test_the_sentences_say_what_the_intervals_carry(tmp_path: Path, final: float, expected: str):
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.02, -0.02))),
        "fast": ({"selection": {"method": "dynamic"}}, Behaviour(learning(final), (0.0, -0.02, 0.02))),
    }
    one = board(make_study(tmp_path, None, arms, wiggle=True))
    sentences = paragraph(one)
    assert re.fullmatch(expected, sentences[0]), sentences
    assert any(text.startswith("Clearly less: `fast`") for text in sentences) == (final < 0.5)
    assert any("undecided" in text for text in sentences) == (final == 0.6)


def test_an_arm_that_leads_at_equal_steps_alone_is_said_to_cost_more_than_it_brings(tmp_path: Path):
    dots = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
    arms = {
        "full": ({}, Behaviour(learning(0.6), (0.0, 0.01, -0.01))),
        "dear": (dots, Behaviour(learning(0.66), (0.0, -0.01, 0.01), probe_tokens=300, predicts=True)),
    }
    sentences = paragraph(board(make_study(tmp_path, None, arms, questions=40, wiggle=True)))
    told = [text for text in sentences if "at equal steps but not at equal tokens" in text]
    assert told and told[0].startswith("`dear` (selection: ") and "not at equal tokens" in told[0]


def test_the_same_store_gives_the_same_bytes(boards: Mapping[str, Board], tmp_path: Path):
    one = Board(boards["one task"].panels)
    for folder in ("a", "b"):
        for item in ARTEFACTS["leaderboard.ranking"](Board(one.panels)):
            item.write(tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files and all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_without_a_sweep_there_is_no_table_of_tuning(made: Mapping[str, Made]):
    assert all("tuning" not in found for found in made.values())
