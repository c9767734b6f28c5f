"""What a diagnosis concludes from made pools, and the page that it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro.analysis.diagnose.advice import advice, headline
from repro.analysis.diagnose.findings import Findings, find
from repro.analysis.diagnose.page import write_page
from repro.analysis.diagnose.screen import screen
from repro.analysis.diagnose.tables import tracking
from repro.diagnose.design import Design
from repro.diagnose.rows import question_rows
from repro.errors import UserError
from repro.spec.schema import TrainSpec
from repro.tasks.problem import Problem
from tests.diagnose.pools import chance, made


def diagnosed(rates: np.ndarray, s: np.ndarray | None = None, **more: object) -> Findings:
    return find("made", made(rates, rates if s is None else s, **more), 0)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mixed() -> Findings:
    """A pool where few questions are informative, and confidence is the pass rate."""
    return diagnosed(np.random.default_rng(0).beta(0.25, 0.6, 400), samples=8)


def test_shares_without_a_signal_are_those_of_the_pool(mixed: Findings) -> None:
    rates = np.random.default_rng(0).beta(0.25, 0.6, 400)
    assert list(mixed.silent) == [4, 8, 16]
    for size, share in mixed.silent.items():
        truth = float((1 - chance(rates, size)).mean())
        assert share.low < truth < share.high, size
    assert mixed.model is not None  # 16 from 8 samples


def test_a_pool_that_nothing_solves_is_told_so_and_no_arm_is_advised() -> None:
    found = diagnosed(np.zeros(200), np.linspace(0.1, 0.9, 200))
    assert headline(found)[0].startswith("**Not yet")
    assert [one.name for one in advice(found)] == ["full"]
    assert "Not yet" in screen(found)


def test_a_pool_where_every_group_is_informative_leaves_little_to_save() -> None:
    found = diagnosed(np.full(200, 0.5), np.linspace(0.1, 0.9, 200))
    assert headline(found)[0].startswith("**Hardly")
    assert found.bound.tokens.value == pytest.approx(1.0, abs=0.02)
    said = {one.name: one.verdict for one in advice(found)}
    assert said["dots"] == said["hardest"] == said["oracle"] == "leave out"
    assert said["ufo"] in ("undecided", "leave out")


def test_a_pool_of_extremes_makes_choosing_worth_it(mixed: Findings) -> None:
    said = {one.name: one.verdict for one in advice(mixed)}
    assert said["dots"] == said["ufo"] == "run"
    assert said["hardest"] == "leave out"
    assert said["full"] == said["random"] == "control"
    assert headline(mixed)[0].startswith("**Yes")


def test_replay_that_rolls_out_as_much_as_before_is_left_out() -> None:
    design = Design(train=TrainSpec(questions_per_step=8))  # K / (mu B) = 1
    found = diagnosed(np.full(200, 0.3), np.linspace(0.1, 0.9, 200), design=design)
    assert found.replay["dots_rr"].volume == pytest.approx(1.5)
    assert {one.name: one.verdict for one in advice(found)}["dots_rr"] == "leave out"


def test_replay_whose_gain_is_within_the_noise_of_the_timings_is_undecided_and_says_so(mixed: Findings) -> None:
    step = mixed.replay["dots_rr"]
    assert step.least_time < step.step_time < step.most_time
    near = replace(step, step_time=0.89, least_time=0.86, most_time=0.92)  # 1.09 to 1.16 times as fast
    said = {one.name: one for one in advice(replace(mixed, replay={**mixed.replay, "dots_rr": near}))}
    assert said["dots_rr"].verdict == "undecided"
    assert "89 % of the time, 86 to 92 % within the noise of timings" in said["dots_rr"].why
    sure = replace(near, most_time=0.9)
    said = {one.name: one for one in advice(replace(mixed, replay={**mixed.replay, "dots_rr": sure}))}
    assert said["dots_rr"].verdict == "run" and "noise" not in said["dots_rr"].why


def test_the_page_says_whose_tokens_the_confidence_is_of_and_what_the_other_target_gives(mixed: Findings) -> None:
    rates = mixed.measured.drawn.rates
    found = find("made", replace(mixed.measured, other_targets={"solution": 1 - rates}), 0)
    rows = dict(tracking(found).rows)
    assert rows["Spearman's rho of s and pass rate, s over the gold answer"].startswith("0.")
    assert rows["the same, s over the worked solution"].startswith("\u22121.00")
    assert "the worked solution: \u22121.00" in screen(found) and "--target final_answer" in tracking(found).caption


def test_replay_is_not_advised_where_hardly_a_group_has_a_signal_to_keep() -> None:
    rates = np.zeros(400)
    rates[:24] = 0.3
    found = diagnosed(rates, np.linspace(0.1, 0.9, 400))
    assert {one.verdict for one in advice(found) if one.name in found.replay} == {"undecided"}
    assert "to fill the buffer with" in next(one.why for one in advice(found) if one.name == "replay")
    assert found.saved["ufo"].tokens.n == found.choices.shares["uniform"].n < 500


def test_the_bound_is_turned_into_seeds_by_the_gain_that_is_assumed(mixed: Findings) -> None:
    more = find("made", mixed.measured, 0, gain=0.4).power
    assert more.bound == pytest.approx(2 * mixed.power.bound)
    assert mixed.power.bound == pytest.approx(0.1 * (1 - 1 / mixed.bound.tokens.value))
    assert mixed.power.bound_seeds is not None and more.bound_seeds is not None
    assert more.bound_seeds <= mixed.power.bound_seeds


def test_the_page_holds_answer_tables_figures_and_everything_as_json(mixed: Findings, tmp_path: Path) -> None:
    problems = [Problem(f"q{i}", f"question <{i}>", str(i)) for i in range(400)]
    page = write_page(mixed, question_rows(problems, mixed.measured), tmp_path / "out", "python -m repro diagnose")
    names = {path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file()}
    assert {"report.html", "report.md", "diagnosis.json", "questions.jsonl", "manifest.json"} <= names
    assert {f"figures/{name}.png" for name in ("pass_rates", "confidence", "chosen")} <= names
    assert {f"tables/{name}.csv" for name in ("arms", "signal", "tracking", "methods", "limits")} <= names
    html, text = page.read_text(), (page.parent / "report.md").read_text()
    assert html.count("<figure") == 3 and text.count("**Figure") == 3
    assert html.index("a study is worth it") < html.index("<table")
    record = json.loads((page.parent / "diagnosis.json").read_text())
    assert record["silent"]["8"]["value"] == mixed.silent[8].value
    assert record["choices"]["shares"]["dots"]["low"] < record["choices"]["shares"]["dots"]["high"]
    assert record["sampled"]["questions"] == 400 and record["scored"]["passes"] == 1
    rows = [json.loads(line) for line in (page.parent / "questions.jsonl").read_text().splitlines()]
    assert rows[3]["question"] == "question <3>" and rows[3]["samples"] == 8
    assert sum(row["in_band"] for row in rows) == 40


def test_the_same_measurements_give_the_same_conclusions(mixed: Findings) -> None:
    again = find("made", mixed.measured, 0)
    assert again.record() == mixed.record()
    assert screen(again) == screen(mixed)


def test_a_folder_that_no_report_wrote_is_left_alone(mixed: Findings, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds mine\.txt"):
        write_page(mixed, [], tmp_path, "")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_questions_that_were_not_sampled_have_no_pass_rate() -> None:
    measured = made(np.full(60, 0.5), np.linspace(0.1, 0.9, 60), drawn=20)
    rows = question_rows([Problem(f"q{i}", "?", "1") for i in range(60)], measured)
    kept = np.flatnonzero(measured.kept).tolist()
    assert [i for i, row in enumerate(rows) if row["pass_rate"] is None] == [i for i in range(20, 60) if i not in kept]
    assert rows[0]["score"] == pytest.approx(1 - (rows[0]["s"] - np.mean([row["s"] for row in rows])) ** 2)
