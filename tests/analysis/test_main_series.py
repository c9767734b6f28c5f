"""`report.main`: every number is about the series that the spec names, and its captions say which."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from repro.analysis.artefacts import make_artefacts
from repro.analysis.estimates import crossed
from repro.analysis.leaderboard.board import Board
from repro.analysis.main_series import main_series, with_main_series
from repro.analysis.measures import Measures
from repro.analysis.page import figures, result_tables, time_tables
from repro.analysis.page.answer import answer
from repro.analysis.page.findings import findings
from repro.analysis.page.overall_table import overall_table
from repro.analysis.page.report import write_report
from repro.analysis.pictures import Picture
from repro.analysis.primary import Question, judge
from repro.analysis.statistics import fixed_mean
from repro.analysis.style import styled
from repro.analysis.tables import Table
from repro.spec.artefacts import ARTEFACTS
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store

Make = Callable[..., Store]

JITTER = (0.0, 0.1, 0.0)
BENCHMARKS = [{"named": "gsm8k", "stand_in": True}, {"named": "math500", "stand_in": True, "name": "math"}]
DOTS = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
REPLAY = {"replay": {"fresh": 0.5, "capacity": 8}}


def evaluation(main: str | None, **more: Any) -> dict[str, Any]:
    """Fields of a spec with two benchmarks and the main series."""
    report = {"main": main} if main else {}
    return {"evaluate": {"every": 2, "samples": 4, "benchmarks": BENCHMARKS}, "report": report, **more}


def arm(test: Sequence[float], gsm8k: Sequence[float], math500: Sequence[float], **more: Any) -> Behaviour:
    """40 questions of gsm8k and 10 of math500, each with a curve from 0.2 and 0.1 on."""
    curves = {"gsm8k": (40, (0.2, *gsm8k)), "math": (10, (0.1, *math500))}
    return Behaviour(tuple(test), JITTER, benchmarks=curves, **more)


def two_arms() -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """On the test set `dots` ends below `full`, on the mean of the benchmarks above it and earlier."""
    return {
        "full": ({}, arm((0.5, 0.6, 0.7, 0.7), (0.3, 0.3, 0.5, 0.5), (0.2, 0.2, 0.2, 0.2))),
        "dots": (DOTS, arm((0.4, 0.4, 0.4, 0.4), (0.5, 0.5, 0.5, 0.5), (0.4, 0.6, 0.6, 0.6))),
    }


def measured(quick_study: Make, main: str | None) -> Measures:
    return measure(quick_study(two_arms(), fields=evaluation(main)))


# ---------------------------------------------------------------- numbers


def test_accuracy_is_the_unweighted_mean_of_the_benchmarks(quick_study: Make):
    measures = measured(quick_study, "benchmarks")
    full, dots = measures.finals
    assert full.per_seed == pytest.approx([(0.5 + j + 0.2 + j) / 2 for j in JITTER])
    assert dots.per_seed == pytest.approx([(0.5 + j + 0.6 + j) / 2 for j in JITTER])
    assert measures.start.sampled.value == pytest.approx((0.2 + 0.1) / 2)
    assert full.gain.value == pytest.approx((0.35 + 0.45 + 0.35) / 3 - 0.15)
    assert (full.asked.questions, full.asked.avg) == (50, "avg@4")
    assert math.isnan(full.greedy.value) and measures.start.temperatures == {}


def test_the_target_and_the_time_to_it_are_those_of_the_mean(quick_study: Make):
    measures = measured(quick_study, "benchmarks")
    assert measures.target(measures.panel.get("dots")) == pytest.approx((0.35 + 0.45 + 0.35) / 3)
    # Start 0.15; on the mean dots stands at 0.45 at step 2, a tenth higher with the second seed; full stays at 0.25,
    # 0.25, 0.35, 0.35, as much higher: its mean is there at step 6, two of its seeds never.
    target = (0.35 + 0.45 + 0.35) / 3
    crossing = 2 * (target - 0.15) / (0.45 + 0.1 / 3 - 0.15)
    assert measures.time("dots", "steps").value == pytest.approx(crossing)
    assert measures.time("full", "steps").value == pytest.approx(6.0)
    first, second, third = measures.time("full", "steps").per_seed
    assert math.isnan(first) and math.isnan(third) and 4 < second < 6


@pytest.mark.parametrize(("main", "ends"), [(None, (0.7, 0.4)), ("test", (0.7, 0.4)), ("math", (0.2, 0.6))])
def test_one_set_can_be_the_main_series(quick_study: Make, main: str | None, ends: tuple[float, float]):
    measures = measured(quick_study, main)
    assert [final.per_seed[0] for final in measures.finals] == pytest.approx(ends)


def test_the_mean_stands_beside_the_test_set_where_that_is_the_main_series(quick_study: Make):
    table = result_tables.accuracy_table(measured(quick_study, None))
    assert [name for name in table.header if "benchmarks" in name] == ["mean of 2 benchmarks, %"]
    assert table.data.set_index("arm").loc["dots", "benchmarks"] == pytest.approx(0.55 + 0.1 / 3)


def test_a_benchmark_that_the_spec_renames_is_found_in_old_runs(quick_study: Make):
    store = quick_study(two_arms(), fields=evaluation("benchmarks"))
    spec = store.loaded.spec
    first, second = spec.evaluate.benchmarks
    renamed = [first.model_copy(update={"name": "math"}), second.model_copy(update={"name": "other"})]
    evaluate = spec.evaluate.model_copy(update={"benchmarks": renamed})
    report = spec.report.model_copy(update={"main": "other"})
    loaded = replace(store.loaded, spec=spec.model_copy(update={"evaluate": evaluate, "report": report}))
    measures = measure(replace(store, loaded=loaded))
    assert measures.finals[1].per_seed[0] == pytest.approx(0.6)
    assert set(measures.finals[1].other_sets) == {"test", "math", "benchmarks"}


# ---------------------------------------------------------------- intervals


def test_problems_vary_inside_each_benchmark(quick_study: Make):
    measures = measured(quick_study, "benchmarks")
    start = measures.start.sampled
    gsm8k, math500 = np.repeat([1.0, 0.0], [8, 32]), np.repeat([1.0, 0.0], [1, 9])
    assert (start.low, start.high) == pytest.approx((max(0.0, (one := fixed_mean([gsm8k, math500])).low), one.high))
    solved = [[np.arange(n) < round((end + j) * n) for j in JITTER] for n, end in ((40, 0.5), (10, 0.2))]
    begun = [np.arange(40) < 8, np.arange(10) < 1]
    gains = [np.array(one, float) - zero for one, zero in zip(solved, begun, strict=True)]
    assert measures.finals[0].gain == crossed(*gains).interval()


def test_a_difference_over_sets_has_the_variance_of_its_strata():
    # d = seed + problem without any rest: Var = var(seeds)/S + sum of var(problems)/P over sets squared
    seeds, problems = np.array([0.0, 0.3, 0.6]), (np.array([-0.2, 0.0, 0.1, 0.5]), np.array([0.4, -0.4]))
    found = crossed(*(seeds[:, None] + one[None, :] for one in problems))
    parts = [(seeds.var(ddof=1) / 3, 2), *((one.var(ddof=1) / len(one) / 4, len(one) - 1) for one in problems)]
    variance = sum(part for part, _ in parts)
    error, freedom = found.errors[0]
    assert (error, freedom) == pytest.approx((math.sqrt(variance), variance**2 / sum(p**2 / df for p, df in parts)))
    assert found.value == pytest.approx(0.3 + (0.1 + 0.0) / 2)


def test_the_interval_of_a_mean_over_sets_covers_the_truth_as_often_as_it_says():
    generator, hits, trials = np.random.default_rng(5), 0, 500
    for _ in range(trials):
        seeds = generator.normal(0, 0.03, (3, 1))
        sets = [
            seeds + mean + generator.normal(0, 0.3, (1, n)) + generator.normal(0, 0.4, (3, n))
            for mean, n in ((0.3, 20), (-0.1, 80), (0.1, 10))
        ]
        found = crossed(*sets).interval()
        hits += found.low <= 0.1 <= found.high
    assert 0.93 <= hits / trials <= 0.99
    with pytest.raises(ValueError, match="same seeds"):
        crossed(np.zeros((3, 4)), np.zeros((2, 4)))


def test_one_seed_has_no_interval_and_one_question_in_a_set_leaves_the_seeds():
    one = crossed(np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 0.2]]))
    assert (one.value, one.known, one.n) == (pytest.approx(0.3), False, 1)
    single = crossed(np.array([[0.0, 0.4], [0.2, 0.6]]), np.array([[0.1], [0.3]])).interval()
    over_seeds = fixed_mean([[0.15, 0.35]])
    assert (single.low, single.high) == pytest.approx((over_seeds.low, over_seeds.high))


def many_arms(test: float) -> dict[str, tuple[dict[str, Any], Behaviour]]:
    """The arms of both papers; `test` is where the test set ends, which no number may depend on."""

    def each(end: float, **more: Any) -> Behaviour:
        lower = (0.2, 0.3, end - 0.1, end - 0.1)
        return arm((test / 2, test, test, test - 0.1), (0.3, 0.4, end, end), lower, **more)

    band = {"method": "pass_rate", "fraction": 0.25}
    confidence = {"method": "confidence", "fraction": 0.25}
    return {
        "full": ({}, each(0.5)),
        "dots": (DOTS, each(0.7, predicts=True)),
        "rr": (REPLAY, each(0.5, replays=0.5)),
        "dots_rr": (DOTS | REPLAY, each(0.6, replays=0.5, predicts=True)),
        "dots_k": ({"selection": {**DOTS["selection"], "references": 8}}, each(0.6, predicts=True)),
        "filter": ({"selection": {"method": "pass_rate", "band": {"low": 0.2, "high": 0.8}}}, each(0.5)),
        "curriculum": ({"selection": {"method": "curriculum", "by": "pass_rate"}}, each(0.4)),
        "ufo": ({"selection": confidence}, each(0.5, kept=0.25)),
        "random": ({"selection": {"method": "random", "fraction": 0.25}}, each(0.4, kept=0.25)),
        "rate": ({"selection": band}, each(0.6, kept=0.25)),
        "high": ({"selection": {**confidence, "band": {"end": "highest"}}}, each(0.4, kept=0.25)),
    }


def everything(measures: Measures) -> Iterator[Table | Picture]:
    """All that a report of one panel could show of accuracy."""
    for made in make_artefacts(list(ARTEFACTS), Board([measures])).values():
        yield from made
    yield result_tables.accuracy_table(measures)
    yield time_tables.time_table(measures)
    yield time_tables.robustness_table(measures)
    yield result_tables.start_table(measures)
    yield overall_table([measures, measures])
    yield figures.accuracy_curves(measures)


def test_no_table_figure_claim_or_sentence_takes_a_number_from_the_test_set(quick_study: Make):
    stores = (quick_study(many_arms(end), fields=evaluation("benchmarks"), seeds=2) for end in (0.4, 0.9))
    one, other = map(measure, stores)
    assert one.finals[0].other_sets["test"].value != other.finals[0].other_sets["test"].value
    made = list(everything(one))
    assert len(made) > 30
    for a, b in zip(made, everything(other), strict=True):
        own = [name for name in a.data if not name.startswith("test")]  # the test set's own columns
        pd.testing.assert_frame_equal(a.data[own], b.data[own])
    assert findings(one) == findings(other)
    said = [
        answer([each], judge([Question("dots", "full", "tokens")], [each.panel])).sentences for each in (one, other)
    ]
    assert said[0] == said[1]


def test_what_shows_accuracy_names_the_series_and_nothing_else_does(quick_study: Make):
    store = quick_study(many_arms(0.5), fields=evaluation("benchmarks"), seeds=2)
    main = main_series(store.loaded.spec)
    made = [with_main_series(item, main) for item in everything(measure(store))]
    below = {item.name: " ".join([item.caption, *getattr(item, "notes", ())]) for item in made}
    silent = {name for name, text in below.items() if "unweighted mean of 2 benchmarks (gsm8k and math)" not in text}
    assert {"dots_rr.curves", "dots_rr.table_1", "dots_rr.claims", "ufo_rl.table_5"}.isdisjoint(silent)
    assert {"dots_rr.figure_4", "dots_rr.cost_model", "ufo_rl.table_1", "ufo_rl.table_2"} <= silent
    shown = ("accuracy", "dots_rr.curves", "dots_rr.figure_4")
    pictures = {p.name: drawn_texts(p) for p in made if isinstance(p, Picture) and p.name in shown}
    assert "accuracy, %\n(mean of 2 benchmarks)" in pictures["accuracy"]
    # The published curves beside ours are means over other benchmarks.
    assert {"Ours, mean of 2 benchmarks", "Published, by step, smoothed (dashed)", "accuracy, %"} <= set(
        pictures["dots_rr.curves"]
    )
    assert "Ours" in pictures["dots_rr.figure_4"]


def drawn_texts(picture: Any) -> list[str]:
    with styled():
        return [text.get_text() for text in picture.draw(False).findobj(Text)]


def test_a_report_says_which_accuracy_it_is_about(study: Make, tmp_path: Path):
    fields = evaluation("benchmarks")
    fields["report"]["artefacts"] = ["dots_rr.claims"]
    arms = many_arms(0.5)
    store = study({name: arms[name] for name in ("full", "dots", "rr", "dots_rr")}, fields=fields, seeds=2)
    page = write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    text = page.with_name("report.md").read_text()
    assert "of 50 held-out questions of 2 benchmarks, weighted equally (avg@4 at temperature 1)" in text
    lead = text.split("## Answer")[1].split("![")[0]
    assert "Accuracy: unweighted mean of 2 benchmarks (gsm8k and math)." in lead
    assert "the benchmarks are fixed" in text
    assert "(mean of 2 benchmarks)" not in text.split("## How")[0].split("## Answer")[0]
