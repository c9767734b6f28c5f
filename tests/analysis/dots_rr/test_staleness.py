"""The share of replayed tokens outside the clip: a number per arm, and a curve by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.dots_rr.staleness import staleness
from analysis.measures import Measures
from analysis.pictures import Picture, as_png
from analysis.tables import Table
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
