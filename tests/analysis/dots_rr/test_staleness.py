"""The share of replayed tokens outside the clip: a number per arm, and a curve by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from repro.analysis.dots_rr.cost import cost_model
from repro.analysis.dots_rr.cost_ratio import cost_ratios
from repro.analysis.dots_rr.staleness import staleness
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture, as_png
from repro.analysis.tables import Table
from tests.analysis.dots_rr.study import dots_panels, dots_study, headline
from tests.analysis.synthetic import make_study


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Measures]:
    """Four arms, eight steps; groups are replayed from step 4 on, at a share of 1 % times the step."""
    return dots_panels(dots_study(tmp_path_factory.mktemp("study"), further=False, seeds=2))


def test_the_table_is_the_mean_over_the_steps_that_replayed(panels: list[Measures]) -> None:
    (table,) = [one for one in staleness(panels) if isinstance(one, Table)]
    first = table.data[table.data["model_data"] == panels[0].panel.title].set_index("arm")
    assert list(first.index) == ["gamma", "delta"]
    assert first.loc["gamma", "outside"] == pytest.approx(sum(range(4, 9)) / 5 / 100)
    assert first.loc["gamma", "outside_last_quarter"] == pytest.approx(0.08)
    assert first.loc["gamma", "clip"] == "1 ± 0.2" and "1 ± 0.2" in table.rows[0]
    assert len(table.rows) == 12


def with_metrics(panels: list[Measures], more: dict[str, dict[str, tuple[list[int], list[float]]]]) -> list[Measures]:
    """The panels with further series of steps and values in every run of some arms."""
    made = []
    for measures in panels:
        series = []
        for one in measures.panel.series:
            extra = more.get(one.label, {})
            runs = [replace(r, record=replace(r.record, metrics={**r.record.metrics, **extra})) for r in one.runs]
            series.append(replace(one, runs=tuple(runs)))
        made.append(Measures(replace(measures.panel, series=tuple(series))))
    return made


def test_what_a_bound_on_the_second_moment_masks_has_a_column_where_an_arm_masks(panels: list[Measures]) -> None:
    (plain,) = [one for one in staleness(panels) if isinstance(one, Table)]
    assert "masked, %" not in plain.header and "Masked" not in plain.caption
    masking = with_metrics(panels[:1], {"delta": {"replay/masked": ([4, 5], [0.01, 0.03])}})
    (table,) = [one for one in staleness(masking) if isinstance(one, Table)]
    assert table.header[-1] == "masked, %" and "Masked: replayed tokens" in table.caption
    cells = {row[1]: row[-1] for row in table.rows}
    assert cells["`gamma`"] == "–" and cells["`delta`"].startswith("2.00")
    assert table.data.set_index("arm").loc["delta", "masked"] == pytest.approx(0.02)


def test_what_a_rollout_costs_in_updates_is_told_of_arms_that_replay(panels: list[Measures]) -> None:
    """Of 32 rows of a step 20 train; rollouts take 0.25 s for 32 completions, updates 0.25 s."""
    assert cost_ratios(panels) == [], "the rows that trained were not recorded"
    steps = list(range(1, 9))
    rows = {"train/kept_rows": (steps, [20.0] * 8)}
    counted = with_metrics(panels[:1], dict.fromkeys(("alpha", "gamma"), rows))
    (table,) = cost_ratios(counted)
    assert [row[1] for row in table.rows] == ["`gamma`"]
    run = counted[0].panel.get("gamma").runs[0]
    expected = (run.ledger["rollout"]["seconds"] / run.ledger["rollout"]["completions"]) / (
        run.ledger["train"]["seconds"] / 160
    )
    row = table.data.iloc[0]
    assert row["cost_ratio"] == pytest.approx(expected, rel=1e-3) and 0 < row["cost_ratio"] < 2
    assert row["cost_ratio_low"] <= row["cost_ratio"] <= row["cost_ratio_high"] and row["n"] == 2
    assert cost_ratios(counted)[0].name in {made.name for made in cost_model(counted)}


def test_the_picture_has_the_arms_that_replay_by_step(panels: list[Measures]) -> None:
    (picture,) = [one for one in staleness(panels) if isinstance(one, Picture)]
    assert picture.name == "dots_rr.staleness" and "1 ± 0.2" in picture.caption
    one = picture.data.query("panel == @panels[0].panel.title and arm == 'RR' and seed == 0").set_index("x")
    assert one["outside the clip"].to_dict() == pytest.approx({step: step / 100 for step in range(4, 9)})
    assert as_png(picture.draw, narrow=True)[:4] == b"\x89PNG"


def test_one_arm_that_replays_is_enough_and_none_makes_nothing(tmp_path: Path) -> None:
    arms = headline(4)
    one = {name: arms[name] for name in ("alpha", "beta", "delta")}
    made_of_one = {"dots_rr.staleness", "dots_rr.replayed_tokens"}
    for kept, names in ((one, made_of_one), ({"alpha": arms["alpha"]}, set())):
        store = make_study(tmp_path / str(len(kept)), None, kept, seeds=1, questions=50)
        assert {made.name for made in staleness(dots_panels(store))} == names


def test_a_study_that_did_not_record_it_shows_nothing(panels: list[Measures]) -> None:
    bare = []
    for measures in panels:
        series = []
        for one in measures.panel.series:
            runs = []
            for run in one.runs:
                kept = {name: values for name, values in run.record.metrics.items() if "ratio" not in name}
                runs.append(replace(run, record=replace(run.record, metrics=kept)))
            series.append(replace(one, runs=tuple(runs)))
        bare.append(Measures(replace(measures.panel, series=tuple(series))))
    assert staleness(bare) == []
