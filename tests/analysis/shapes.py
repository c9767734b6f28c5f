"""Studies with few arms and many, one seed and several, long names and a failed arm, to look at their figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.analysis.measures import Measures
from repro.analysis.page import figures, selected
from repro.analysis.page.forest import forest
from repro.analysis.pictures import Picture
from repro.analysis.primary import judge, questions
from repro.analysis.study import Study
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.synthetic import make_study

Arms = dict[str, tuple[dict[str, Any], Behaviour]]
DOTS: dict[str, Any] = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
SMALL: dict[str, Any] = {"steps": 4, "every": 2, "questions": 16}


def arm(final: float, config: Mapping[str, Any] | None = None, **more: Any) -> tuple[dict[str, Any], Behaviour]:
    return dict(config or {}), Behaviour(learning(final, points=2), (-0.02, 0.0, 0.02), **more)


def of_count(count: int, name: Callable[[int], str]) -> Arms:
    """A baseline, then arms of three ways in turn."""
    ways: Sequence[dict[str, Any]] = (
        DOTS,
        {"selection": {"method": "random", "fraction": 0.25}},
        DOTS | {"replay": {}},
    )
    arms: Arms = {"full": arm(0.6)}
    for index in range(1, count):
        config = dict(ways[index % 3])
        if "replay" in config:
            config["replay"] = {"fresh": 0.5, "capacity": 8}
        config["train"] = {"learning_rate": 1e-4 * (1 + index)}  # every arm a run of its own
        predicts = index % 3 != 1
        arms[name(index)] = arm(0.4 + 0.35 * index / count, config, predicts=predicts, kept=1.0 if predicts else 0.25)
    return arms


LONG = "questions_chosen_by_a_predictor_of_difficulty_with_{:02}_references"

SHAPES: dict[str, tuple[Arms, dict[str, Any]]] = {
    "one arm": ({"full": arm(0.6)}, {"seeds": 1}),
    "two arms, one failed": (
        {
            "full": arm(0.6),
            "dots": arm(0.7, DOTS, predicts=True),
            "lost": arm(0.5, {"train": {"learning_rate": 1e-5}}, status="failed"),
        },
        {"seeds": 2},
    ),
    "twelve long names": (of_count(12, LONG.format), {"seeds": 2}),
    "thirty arms": (of_count(30, "arm_{}".format), {"seeds": 1}),
}
"""Name -> (arms, more about the study)."""


def study_of(name: str, folder: Path, **more: Any) -> Study:
    """The study of a shape, made in a folder; `more` of it may differ."""
    arms, about = SHAPES[name]
    return make_study(folder / name.replace(" ", "_"), None, arms, **{**SMALL, **about, **more}).read()


def pictures(study: Study) -> dict[str, Picture]:
    """All figures that a study of one model and task has."""
    measures = Measures(study.panels[0])
    judged = judge(questions(study.spec, study.panels), study.panels)
    made = [figures.accuracy_curves(measures), figures.cost_bars(measures), *selected.pictures(measures)]
    made += figures.axis_curves(measures)
    made += [forest([measures], judged)] if any(one.pairs for one in judged) else []
    return {picture.name: picture for picture in made}
