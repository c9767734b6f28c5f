"""The answer on the first screen follows from the store: other numbers, other sentences, table and figure alike."""

from __future__ import annotations

import math
import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from repro.analysis.measures import Measures
from repro.analysis.page.answer import answer
from repro.analysis.page.equal_cost_table import equal_cost_table
from repro.analysis.primary import exploratory, judge, questions
from repro.analysis.style import styled
from repro.analysis.text import amount
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.page.answers import BETTER, DOTS, FULL, JITTER, RANDOM, SAME, WORSE, Make, answered, claimed, drawn


def test_a_better_arm_is_named_with_its_difference_and_its_interval(quick_study: Make):
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, BETTER)}, seeds=5, questions=100))
    first = said.sentences[0]
    assert first.startswith("**At equal generated tokens `dots` was more accurate over training than `full`, by ")
    assert re.search(r"by 1\d\.\d points \[\d+\.\d, \d+\.\d\], but no saving is shown\.\*\*$", first)


def test_beside_a_baseline_that_learns_nothing_arms_are_judged_and_have_no_share_of_its_gain(quick_study: Make):
    """There is no share of no gain: an arm that learns is higher, one that loses is lower, with p-values."""
    flat, lost = Behaviour((0.3, 0.3, 0.3, 0.3), JITTER), Behaviour((0.2, 0.15, 0.1, 0.1), JITTER[::-1])
    store = quick_study({"full": ({}, flat), "dots": (DOTS, BETTER), "lost": (RANDOM, lost)}, seeds=5, questions=100)
    study = store.read()
    judged = judge(questions(study.spec, study.panels), study.panels)
    assert {one.question.arm: one.verdict for one in judged} == {"dots": "higher", "lost": "lower"}
    assert all(math.isnan(one.share.value) and one.weak and one.p < 0.01 for one in judged)


@pytest.mark.parametrize(("steps", "asked"), [(1, False), (2, True)])
def test_a_study_of_one_step_is_not_read_as_one_of_learning(quick_study: Make, steps: int, asked: bool):
    train = {"train": {"steps": steps}}
    said = answered(
        quick_study({"full": (train, FULL), "dots": ({**DOTS, **train}, BETTER)}, seeds=2, questions=20, every=1)
    )
    assert ("more accurate" in said.sentences[0]) == asked
    assert ("does not show who learns more" in said.sentences[0]) != asked


def test_worse_and_undecided_arms_are_told_apart(quick_study: Make):
    arms = {"full": ({}, FULL), "random": (RANDOM, WORSE), "dots": ({**RANDOM, "train": {"top_p": 0.9}}, SAME)}
    said = answered(quick_study(arms, seeds=5, questions=100))
    assert said.sentences[0] == (
        "**At equal generated tokens no arm was shown to be more accurate over training than `full`, so no saving is "
        "shown.**"
    )
    assert re.fullmatch(r"`random` was less accurate, by \d+\.\d points; `dots` is undecided\.", said.sentences[1])


def test_the_answer_has_at_most_two_sentences_and_four_numbers(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, BETTER), "random": (RANDOM, WORSE)}
    said = answered(quick_study(arms, seeds=5, questions=100))
    text = re.sub(r"`[^`]+`", "", " ".join(said.sentences))
    assert len(said.sentences) == 2 and len(re.findall(r"\d+(?:\.\d+)?", text)) <= 4


def test_another_number_in_the_store_changes_sentence_table_and_figure_together(quick_study: Make):
    seen = []
    for end in (0.85, 0.95):
        better = Behaviour((*BETTER.curve[:3], end), BETTER.jitter)
        store = quick_study({"full": ({}, FULL), "dots": (DOTS, better)}, seeds=5, questions=100)
        said, figure = answered(store), drawn(store)
        (size,) = re.findall(r"by (\d+\.\d) points", said.sentences[0])
        (row,) = [row for row in said.table.rows if row[0].startswith("`dots`:")]
        assert row[2].startswith(f"+{size} ")
        value = figure.data.query("arm == 'dots' and where == 'all'")["difference"].item()
        assert f"{100 * value:.1f}" == size
        seen.append(size)
    assert seen[0] != seen[1]


def test_one_seed_decides_nothing(quick_study: Make):
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, BETTER)}, seeds=1))
    assert (
        "no arm was shown" in said.sentences[0] and said.sentences[1] == "`dots` has one seed, which decides nothing."
    )


def test_one_seed_decides_none_of_several_claims(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, BETTER), "again": (RANDOM, WORSE)}
    claims = [{"arm": "dots"}, {"arm": "again", "against": "dots"}]
    said = answered(quick_study(arms, seeds=1, fields={"report": {"claims": claims}}))
    assert said.sentences == ("**At equal generated tokens nothing is decided: one seed of each arm.**",)


def test_accuracy_near_zero_decides_nothing(quick_study: Make):
    low = Behaviour((0.0, 0.0, 0.0, 0.01))
    said = answered(quick_study({"full": ({}, low), "dots": (DOTS, low)}, base=0.0, questions=100))
    assert said.sentences == ("**Accuracy stayed below 5 % before and after training, so that nothing is decided.**",)


def test_a_study_of_one_arm_compares_nothing(quick_study: Make):
    store = quick_study({"full": ({}, FULL)})
    said = answered(store)
    assert "Only `full` was to be trained" in said.sentences[0]
    assert "nothing to compare" in said.sentences[0] and said.table.rows[0][0] == "`full`: every question"


def test_arms_without_a_question_about_them_were_to_be_trained(quick_study: Make):
    measures = measure(quick_study({"full": ({}, FULL), "dots": (DOTS, FULL)}))
    assert "Only `full` and `dots` were to be trained" in answer([measures], ()).sentences[0]


def test_a_baseline_without_runs_is_said_and_what_became_of_it(quick_study: Make):
    arms = {"full": ({}, Behaviour(FULL.curve, status="failed")), "dots": (DOTS, FULL)}
    said = answered(quick_study(arms)).sentences
    assert "no model and task has finished runs of `full`" in said[0]
    assert said[1] == "`full` failed (out of memory)."


def test_an_arm_that_failed_one_that_was_killed_and_one_that_has_not_run_are_told_apart(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, SAME)}
    for place, status in enumerate(("failed", "killed", "todo")):
        rate = {"train": {"learning_rate": 1e-5 * (1 + place)}}
        arms[f"was_{status}"] = (rate, Behaviour(FULL.curve, JITTER, status=status))
    store = quick_study(arms, seeds=2)
    said = answered(store)
    assert "`was_failed` failed (out of memory)" in said.sentences[1]
    assert "`was_killed` has no finished run (killed)" in said.sentences[1]
    assert "`was_todo` has not run" in said.sentences[1]
    cells = {row[0]: row[2] for row in said.table.rows}
    assert cells["`was_failed`"] == "failed (out of memory)" and cells["`was_todo`"] == "not run"
    words = {text.get_text() for text in drawn(store).draw(True).axes[0].texts}
    assert {"failed (out of memory)", "killed", "not run"} <= words
    for error in store.runs_dir.glob("*/error.txt"):
        (error.parent / "health.json").write_text("no JSON")
    assert "`was_failed` failed;" in answered(store).sentences[1], "what cannot be read of a failure is left out"


def test_an_arm_that_has_run_but_shares_no_seed_with_its_baseline_is_not_said_not_to_have_run(quick_study: Make):
    one, other = (Behaviour(FULL.curve, JITTER, absent=(f"seed {seed}",)) for seed in (0, 1))
    said = answered(quick_study({"full": ({}, one), "dots": (DOTS, other)}, seeds=2))
    assert said.sentences[1] == "`dots` has no run that can be paired with one of `full`."


def test_claims_of_the_spec_are_judged_and_all_else_is_not(quick_study: Make):
    arms = {"full": ({}, FULL), "dots": (DOTS, BETTER), "random": (RANDOM, WORSE)}
    report = {"claims": [{"arm": "dots", "against": "random", "by": "steps"}]}
    said = answered(quick_study(arms, seeds=5, questions=100, fields={"report": report}))
    assert "At equal steps `dots` was more accurate over training than `random`" in said.sentences[0]
    assert [row[0] for row in said.table.rows] == [
        "`full`: every question",
        "`dots`: DOTS, against `random`",
        "`dots`: DOTS, against `full` (exploratory)",
        "`random`: random subset, against `full` (exploratory)",
    ] and "Holm" not in said.sure


def test_the_first_screen_says_what_the_arms_of_the_claims_train_on(quick_study: Make):
    replay = {**DOTS, "replay": {"fresh": 0.5, "capacity": 8}}
    arms = {"full": ({}, FULL), "dots": (DOTS, BETTER), "dots_rr": (replay, BETTER), "random": (RANDOM, WORSE)}
    report = {"claims": [{"arm": "dots"}, {"arm": "dots_rr", "against": "dots"}]}
    said = answered(quick_study(arms, seeds=3, fields={"report": report}))
    assert said.arms == (
        "`full` trains on every question; `dots` on questions whose predicted pass rate is near 0.5; `dots_rr` on the "
        "same, and replays recent groups."
    )
    many = {"full": ({}, FULL), **{f"dots_{k}": (DOTS, BETTER) for k in range(4)}}
    assert answered(quick_study(many, seeds=3)).arms == "", "too many for a sentence"


def test_how_sure_names_seeds_questions_and_what_could_be_seen(quick_study: Make):
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, SAME)}, seeds=5, questions=100))
    assert said.sure.startswith("5 seeds, 100 held-out questions.")
    assert re.search(r"A true difference of \d+\.\d points would be found four times in five", said.sure)


def test_what_would_change_the_answer_is_an_arm_that_wins_by_another_cost(quick_study: Make):
    dear = Behaviour((0.45, 0.55, 0.65, 0.7), JITTER[::-1], probe_tokens=250)  # better by steps, dearer in tokens
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, dear)}, seeds=5, questions=100))
    assert any(text.startswith("At equal steps `dots` leads `full`: +") for text in said.changes)


def test_claims_against_several_arms_are_told_in_one_sentence_and_the_others_are_exploratory(quick_study: Make):
    again = {**DOTS, "replay": {"fresh": 0.5, "capacity": 8}}
    arms = {"full": ({}, FULL), "random": (RANDOM, WORSE), "dots": (DOTS, SAME), "again": (again, BETTER)}
    claims = [{"arm": "dots"}, {"arm": "again", "against": "dots"}]
    store = quick_study(arms, seeds=5, questions=100, fields={"report": {"claims": claims}})
    said = answered(store)
    assert re.fullmatch(
        r"\*\*At equal generated tokens `again` was more accurate over training than `dots`, by \d+\.\d points, "
        r"but no saving is shown\.\*\*",
        said.sentences[0],
    )
    assert re.fullmatch(
        r"It is undecided whether `dots` was more accurate over training than `full`; exploratory: `again` was more "
        r"accurate than `full`, by \d+\.\d points, and `random` was less accurate than `full`, by \d+\.\d points\.",
        said.sentences[1],
    )
    rows = [row[0] for row in said.table.rows]
    assert rows == [
        "`full`: every question",
        "`dots`: DOTS, against `full`",
        "`again`: DOTS, replay, against `dots`",
        "`random`: random subset, against `full` (exploratory)",
        "`again`: DOTS, replay, against `full` (exploratory)",
    ]
    assert said.table.data["primary"].tolist()[1:] == [True, True, False, False]
    data = drawn(store).data.query("where == 'all'")
    assert data.groupby("primary")["arm"].agg(list).to_dict() == {True: ["again", "dots"], False: ["again", "random"]}
    axis = drawn(store).draw(False).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()][:2] == ["again − dots", "dots − full"]


def test_the_numbers_of_how_sure_stand_in_a_table(quick_study: Make):
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, SAME)}, seeds=5, questions=100))
    assert said.how_sure is not None
    row = said.how_sure.data.iloc[0]
    assert (row["seeds"], row["questions"], row["claims"]) == (5, 100, 1)
    assert f"A true difference of {100 * row['smallest_seen']:.1f} points" in said.sure
    assert f"; 2 points take {row['seeds_for_2_points']:.0f} seeds" in said.sure or row["seeds_for_2_points"] <= 5


def test_clear_exploratory_comparisons_are_the_second_sentence(quick_study: Make):
    said = answered(claimed(quick_study, dots=SAME, random=WORSE, ufo=WORSE))
    assert said.sentences[0].endswith(", so no saving is shown.**")
    assert re.fullmatch(r"`dots` is undecided; exploratory: `random` and `ufo` were less accurate than `full`, by "
                        r"\d+\.\d and \d+\.\d points\.", said.sentences[1])  # fmt: skip


def test_exploratory_sizes_give_way_where_the_answer_would_have_more_than_four_numbers(quick_study: Make):
    said = answered(claimed(quick_study, dots=BETTER, random=WORSE, ufo=WORSE))
    assert said.sentences[1] == "Exploratory: `random` and `ufo` were less accurate than `full`."


def test_two_claims_that_see_different_sizes_are_told_apart(quick_study: Make):
    uneven = Behaviour(FULL.curve, (0.2, -0.2, 0.1, -0.1, 0.0))
    said = answered(quick_study({"full": ({}, FULL), "dots": (DOTS, SAME), "random": (RANDOM, uneven)}, seeds=5))
    assert said.how_sure is not None
    seen = list(said.how_sure.data["smallest_seen"])
    assert seen[1] > seen[0]
    assert (
        f"True differences of {100 * seen[0]:.1f} points (`dots` − `full`) and {100 * seen[1]:.1f} (`random` − `full`) "
        "would be found four times in five" in said.sure
    )
    needed = list(said.how_sure.data["seeds_for_2_points"])
    assert f"; 2 points take {needed[0]:.0f} and {needed[1]:.0f} seeds" in said.sure


def test_an_exploratory_arm_that_turns_at_another_cost_would_change_the_answer(quick_study: Make):
    dear = Behaviour((0.45, 0.55, 0.65, 0.7), JITTER[::-1], probe_tokens=250)
    arms = {"full": ({}, FULL), "random": (RANDOM, SAME), "dots": (DOTS, dear)}
    report = {"claims": [{"arm": "random"}]}
    said = answered(quick_study(arms, seeds=5, questions=100, fields={"report": report}))
    start = "At equal steps `dots` leads `full` (exploratory comparison): +"
    assert any(text.startswith(start) for text in said.changes)


def test_rows_up_to_different_costs_say_up_to_which(quick_study: Make):
    short = Behaviour(WORSE.curve, WORSE.jitter, replays=0.5)
    store = claimed(quick_study, dots=SAME, random=short)
    study = store.read()
    judged = [*judge(questions(study.spec, study.panels), study.panels), *exploratory(study.spec, study.panels)]
    low, high = sorted(amount(one.pairs[0].budget) for one in judged)
    said = f"up to the generated tokens that all runs of its two arms have spent ({low} to {high}"
    table = answered(store).table
    assert low != high and said in table.caption and said in drawn(store).caption
    assert any("do not add up" in note for note in table.notes)
    same = answered(claimed(quick_study, dots=SAME, random=WORSE)).table
    assert f"have spent ({high}, selection" in same.caption and not any("do not add up" in note for note in same.notes)


def test_one_table_has_the_differences_at_equal_tokens_steps_and_seconds(quick_study: Make):
    dear = Behaviour((0.45, 0.55, 0.65, 0.7), JITTER[::-1], probe_tokens=250)
    store = quick_study({"full": ({}, FULL), "dots": (DOTS, dear)}, seeds=5, questions=100)
    study = store.read()
    panels = [Measures(panel) for panel in study.panels]
    judged = judge(questions(study.spec, study.panels), study.panels)
    made = equal_cost_table(panels, judged, ())
    costs = ["at equal generated tokens", "up to, tokens", "at equal steps", "at equal CPU seconds"]
    assert list(made.header[2:]) == costs
    budget = made.data.query("equal == 'generated tokens'")["budget"].dropna().item()
    assert made.rows[0][3] == amount(budget)
    by = made.data.query("where == 'all'").set_index("equal")["difference"]
    assert by["generated tokens"] == pytest.approx(judged[0].difference.value)
    assert by["steps"] > by["CPU seconds"] > by["generated tokens"], "probes cost tokens, and a little time"
    assert made.data["where"].nunique() == 2, "every pair stands in the data"


@pytest.mark.parametrize("count", [1, 2, 12, 30])
def test_the_figure_holds_any_number_of_arms(quick_study: Make, count: int):
    arms: dict = {"full": ({}, FULL)}
    for number in range(count):
        selection = {"method": "random", "fraction": 0.25 + 0.01 * number}
        arms[f"an_arm_with_a_long_name_{number}"] = ({"selection": selection}, SAME)
    picture = drawn(quick_study(arms, seeds=2, questions=40))
    figure = picture.draw(False)
    assert len(figure.axes[0].get_yticks()) == min(count, 12)
    assert figure.get_size_inches()[1] <= 3.1, "the first screen holds it"
    for narrow in (False, True):
        with styled():
            figure = picture.draw(narrow)
            FigureCanvasAgg(figure).draw()
            (title,) = [text for text in figure.findobj(Text) if text.get_text().startswith("Points against")]
            box = title.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert (f"(12 of {count} arms)" in picture.title) == (count > 12)


def test_from_three_tasks_on_the_interval_over_tasks_stands_beside_and_is_the_wider_one(quick_study: Make):
    fields = {"dataset": [{"arithmetic": {"pool": 64, "test": 40}}, {"shuffle": {"pool": 64, "test": 40}}]}
    better = Behaviour(BETTER.curve, BETTER.jitter, shifts={"shuffle": -0.1, "variables": 0.05})
    arms = {"full": ({}, FULL), "dots": (DOTS, better)}
    few = answered(quick_study(arms, questions=40, fields=fields)).table
    assert not any("With tasks as units" in note for note in few.notes)
    fields["dataset"].append({"variables": {"pool": 64, "test": 40}})
    said = answered(quick_study(arms, questions=40, fields=fields)).table
    assert re.search(r"of other tasks too, in points: `dots` against `full` \+\d+\.\d \[", said.notes[-1])
    row = said.data.set_index("arm").loc["dots"]
    assert row["difference_over_tasks"] == pytest.approx(row["difference"])
    assert row["difference_over_tasks_low"] < row["difference_low"] < row["difference_high"]
