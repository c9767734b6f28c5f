"""Ablations of DOTS + RR: which arms stand beside each other, with what numbers, and what the figures show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repro.analysis.dots_rr.ablations import COLUMNS, ablations
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.statistics import t_interval
from repro.analysis.tables import Table
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.dots_rr.study import DOTS, JITTER, REPLAY, dots_panels
from tests.analysis.drawing import check, visible
from tests.analysis.synthetic import Store

PANEL = "tiny-96x2 on arithmetic"


def arm(final: float, *sections: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Behaviour]:
    config: dict[str, Any] = {}
    for section in sections:
        config = config | section
    return config, Behaviour(learning(final), more.pop("jitter", JITTER), **more)


def dots(**fields: Any) -> dict[str, Any]:
    return {"selection": {**DOTS["selection"], **fields}}


def replay(**fields: Any) -> dict[str, Any]:
    return {"replay": {**REPLAY["replay"], **fields}}


@pytest.fixture
def made(quick_study: Callable[..., Store]) -> Callable[..., dict[str, Any]]:
    def make(arms: dict[str, Any], **fields: Any) -> dict[str, Table | Picture]:
        store = quick_study(arms, questions=100, fields={"report": {"baseline": "plain"}, **fields})
        panels: list[Measures] = dots_panels(store)
        return {item.name.removeprefix("dots_rr."): item for item in ablations(panels)}

    return make


def test_a_sweep_has_its_values_in_order_against_the_headline_arm(made: Callable[..., dict[str, Any]]):
    arms = {
        "plain": arm(0.60),
        "chosen": arm(0.70, DOTS, zero=0.3),
        "wide": arm(0.64, dots(temperature=0.5), zero=0.4, jitter=(-0.04, 0.0, 0.01)),
        "many": arm(0.68, dots(references=8), zero=0.2),
        "few": arm(0.62, dots(references=2), zero=0.35),
    }
    found = made(arms)
    assert set(found) == {"ablation_k", "ablation_tau", "ablation_grid"}
    table = found["ablation_k"]
    assert list(table.data["value"]) == [2, 4, 8] and table.emphasis == frozenset({1})
    assert list(table.data["arm"]) == ["few", "chosen", "many"]
    row = table.data.set_index("arm").loc["many"]
    assert row["accuracy"] == pytest.approx(0.68) and row["accuracy_vs_headline"] == pytest.approx(-0.02)
    assert row["effective"] == pytest.approx(0.8) and row["effective_vs_headline"] == pytest.approx(0.1)
    # 8 steps of 8 groups, and every two steps 8 references instead of 4, of 4 completions each.
    assert row["completions"] == 4 * (8 * 8 + 4 * 8)
    assert row["completions_vs_headline"] == pytest.approx((64 + 32) / (64 + 16))
    assert np.isnan(table.data.set_index("arm").loc["chosen", "accuracy_vs_headline"])
    # Differences are paired by seed: -0.08, -0.06 and -0.07.
    wide, pairs = found["ablation_tau"].data.set_index("arm").loc["wide"], t_interval([-0.08, -0.06, -0.07])
    assert wide["accuracy_vs_headline_low"] == pytest.approx(pairs.low)
    assert "model, data" not in table.header and table.caption.startswith(PANEL), "one place needs no column"
    assert all(name in table.data and f"{name}_vs_headline" in table.data for name in COLUMNS)


def test_areas_of_a_sweep_reach_to_where_its_shortest_run_ends(made: Callable[..., dict[str, Any]]):
    arms = {
        "plain": arm(0.60),
        "both": arm(0.70, DOTS, REPLAY, replays=0.5),
        "more": arm(0.70, DOTS, replay(fresh=0.75), replays=0.25),
    }
    data = made(arms)["ablation_delta"].data.set_index("arm")
    assert list(data["value"]) == [0.5, 0.75]
    assert data.loc["more", "by_steps_vs_headline"] == pytest.approx(0.0)
    # Half the rollouts of 320 tokens a step end at 1280; at 240 a step the other is there after 5 1/3 steps.
    heights = np.array([0.3, *learning(0.70)])
    end = 1280 / 240
    grid = [0, 2, 4, end]
    ys = np.interp(grid, [0, 2, 4, 6, 8], heights)
    assert data.loc["more", "by_tokens"] == pytest.approx(np.trapezoid(ys, grid) / end, abs=0.005)
    assert data.loc["more", "by_tokens_vs_headline"] < -0.02


def test_the_figure_has_the_differences_of_the_tables(made: Callable[..., dict[str, Any]]):
    arms = {"plain": arm(0.6), "chosen": arm(0.7, DOTS), "easy": arm(0.6, dots(target=0.25))}
    found = made(arms)
    picture, table = found["ablation_grid"], found["ablation_alpha"].data.set_index("arm")
    rows = picture.data.set_index("measure")
    assert rows["value"].tolist() == [0.25, 0.25] and rows["usual"].tolist() == [0.5, 0.5]
    for name in ("by_steps", "by_tokens"):
        assert rows["difference"][name] == pytest.approx(table.loc["easy", f"{name}_vs_headline"])
        assert rows["difference_low"][name] == pytest.approx(table.loc["easy", f"{name}_vs_headline_low"])
    axis = visible(check(picture, True))[0]
    bold = [text.get_text() for text in axis.get_xticklabels() if text.get_fontweight() == "bold"]
    assert bold == ["0.5"], "the usual value is marked"


def test_alternatives_stand_beside_the_headline_arm_of_their_part(made: Callable[..., dict[str, Any]]):
    arms = {
        "plain": arm(0.60),
        "chosen": arm(0.70, DOTS),
        "both": arm(0.68, DOTS, REPLAY, replays=0.5),
        "resample": arm(0.66, {"selection": {"method": "dynamic"}}),
        "bare": arm(0.50, DOTS, replay(correction="none"), replays=0.5),
        "plain_mean": arm(0.64, {"train": {"advantage_std": False}}),
        "chosen_mean": arm(0.65, DOTS, {"train": {"advantage_std": False}}),
        "easy": arm(0.60, dots(target=0.25)),
        "long": arm(0.70, {"train": {"steps": 6}}),
    }
    table = made(arms)["alternatives"]
    data = table.data.set_index("arm")
    assert data["headline"].to_dict() == {
        "resample": "chosen",
        "bare": "both",
        "plain_mean": "plain",
        "chosen_mean": "chosen",
    }
    assert data.loc["bare", "accuracy_vs_headline"] == pytest.approx(-0.18)
    assert data.loc["resample", "what"] == "dynamic sampling"
    # Against GRPO that trains as it does.
    assert data.loc["chosen_mean", "accuracy_vs_grpo"] == pytest.approx(0.01)
    assert data.loc["resample", "accuracy_vs_grpo"] == pytest.approx(0.06)
    assert np.isnan(data.loc["plain_mean", "accuracy_vs_grpo"])


def test_two_places_get_a_column_and_nothing_to_compare_makes_nothing(made: Callable[..., dict[str, Any]]):
    assert made({"plain": arm(0.6), "chosen": arm(0.7, DOTS)}) == {}
    sizes = {"pool": 64, "test": 100}
    arms = {"plain": arm(0.6), "chosen": arm(0.7, DOTS), "few": arm(0.6, dots(references=2))}
    found = made(arms, dataset=[{"arithmetic": sizes}, {"shuffle": sizes}])
    assert found["ablation_k"].header[0] == "model, data" and len(found["ablation_k"].rows) == 4
    assert set(found["ablation_grid"].data["model_data"]) == {PANEL, "tiny-96x2 on shuffle"}
