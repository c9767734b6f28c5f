"""The check of a diagnosis against finished runs: which arm is which method, and what is compared with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro.analysis.diagnose.check import Checked, Predicted, checked, first_steps, method_of, winner
from repro.analysis.diagnose.check_page import sentences, write_check
from repro.analysis.diagnose.findings import find
from repro.analysis.diagnose.screen import WORDS
from repro.diagnose.design import design_of
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.synthetic import QUICKSTART, Store, make_study
from tests.diagnose.pools import chance, made

RATES = np.random.default_rng(3).beta(0.4, 0.9, 400)
SHARE = float(chance(RATES, 4).mean())
"""Of informative groups of 4, as the synthetic studies have, on a pool of these pass rates."""


def predicted(store: Store) -> Predicted:
    """A study with the diagnosis of the pool above."""
    study = store.read()
    measured = made(RATES, RATES, design=design_of(store.loaded.spec))
    return Predicted(study, study.panels[0], find("made", measured, 0))


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Predicted:
    """Arms whose groups are informative as the diagnosis says; a random part is not, and `dots` learns much more."""
    changes = {
        "full": {"zero": 1 - SHARE},
        "random": {"zero": 1 - SHARE + 0.2},
        "dots": {"curve": learning(0.9, points=8, speed=3.5)},
    }
    arms = {
        name: (fields, replace(one, zero_jitter=(0.0, 0.0, 0.0), **changes.get(name, {})))  # type: ignore[arg-type]
        for name, (fields, one) in QUICKSTART.items()
    }
    return predicted(make_study(tmp_path_factory.mktemp("quickstart"), None, arms, steps=16, every=2))


def test_every_arm_is_compared_with_the_method_that_it_is(quickstart: Predicted) -> None:
    found = {one.arm: one for one in checked([quickstart]).shares}
    assert {name: one.method for name, one in found.items()} == {
        "full": "uniform",
        "random": "random",
        "ufo": "ufo",
        "dots": "dots",
        "dots_rr": "dots",
    }
    assert found["full"].measured.value == pytest.approx(SHARE)
    assert found["full"].near and not found["random"].near
    assert found["full"].by_chance and not found["random"].by_chance
    assert found["random"].difference == pytest.approx(found["random"].predicted.value - SHARE + 0.2)


def test_an_arm_of_other_settings_is_no_method_of_the_diagnosis(quickstart: Predicted) -> None:
    design = quickstart.found.measured.design
    series = {one.label: one for one in quickstart.panel.series}
    assert method_of(series["ufo"], design) == "ufo"
    assert method_of(series["ufo"], replace(design, target="solution")) is None
    assert method_of(series["ufo"], replace(design, fraction=0.1)) is None
    other = design.train.model_copy(update={"group_size": 16})
    assert method_of(series["full"], replace(design, train=other)) is None


def test_only_the_first_steps_of_all_runs_count(quickstart: Predicted) -> None:
    series = next(one for one in quickstart.panel.series if one.label == "dots_rr")
    measured = first_steps(series)
    assert measured is not None and measured.n == 3 * 2 * 4  # runs, steps, fresh groups of a step
    assert measured.low < measured.value < measured.high


def test_savings_stand_beside_their_bound_and_the_advice_beside_what_won(quickstart: Predicted) -> None:
    rows = {one.arm: one for one in checked([quickstart]).savings}
    assert set(rows) == {"random", "ufo", "dots", "dots_rr"}
    assert rows["random"].advice == "control" and rows["random"].predicted == 1.0
    assert rows["dots"].most == pytest.approx(quickstart.found.bound.tokens.value)
    assert rows["dots_rr"].predicted == pytest.approx(1 / quickstart.found.replay["dots_rr"].volume)
    assert rows["dots"].verdict == "higher"
    assert winner(list(rows.values())) == "dots"


def test_where_no_arm_beats_its_baseline_nobody_won(quick_study: Callable[..., Store]) -> None:
    same = Behaviour(learning(0.6, points=8))
    arms = {"full": ({}, same), "random": ({"selection": {"method": "random", "fraction": 0.25}}, same)}
    found = checked([predicted(quick_study(arms, steps=16, every=2))])
    assert winner(found.savings) is None
    assert "no arm was shown to beat its baseline" in sentences(found)[-1]


def test_a_random_part_is_no_arm_that_chooses_and_what_was_advised_stands_beside_each_arm_that_did_worse(
    quickstart: Predicted,
) -> None:
    said = sentences(checked([quickstart]))
    assert said[1].startswith("Of 3 arms that choose by what they know of a question (`ufo`, `dots` and `dots_rr`)")
    rows = [replace(one, verdict="lower") for one in checked([quickstart]).savings if one.arm in ("random", "ufo")]
    told = sentences(Checked((), tuple(rows), ()))[0]
    assert f"worse were `random` (a control, without advice) and `ufo` (advice: {WORDS[rows[1].advice]})" in told


def test_the_page_counts_the_pairs_that_were_right(quickstart: Predicted, tmp_path: Path) -> None:
    found = checked([quickstart])
    assert sentences(found)[0].startswith("**On 1 of 1 pair of policy and task")
    page = write_check(found, tmp_path / "check", "python -m repro diagnose --check exp.yaml")
    record = json.loads((page.parent / "check.json").read_text())
    assert [row["arm"] for row in record["shares"]] == ["full", "random", "ufo", "dots", "dots_rr"]
    assert record["savings"][0]["bound"] == pytest.approx(quickstart.found.bound.tokens.value)
    assert "--check exp.yaml" in page.read_text() and "`dots`" in (page.parent / "report.md").read_text()


def test_nothing_to_compare_gives_an_empty_check() -> None:
    assert sentences(Checked((), (), ())) == ()
