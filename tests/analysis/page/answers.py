"""Arms and studies whose first screen is looked at: its answer and its figure."""

from __future__ import annotations

from collections.abc import Callable

from repro.analysis.measures import Measures
from repro.analysis.page.answer import Answer, answer
from repro.analysis.page.forest import forest
from repro.analysis.pictures import Picture
from repro.analysis.primary import exploratory, judge, questions
from tests.analysis.behaviour import Behaviour
from tests.analysis.synthetic import Store

DOTS = {"selection": {"method": "difficulty", "references": 4}}
RANDOM = {"selection": {"method": "random", "fraction": 0.25}}
JITTER = (0.0, 0.03, -0.03, 0.02, -0.02)
FULL = Behaviour((0.4, 0.5, 0.6, 0.65), JITTER)
BETTER = Behaviour((0.6, 0.7, 0.8, 0.85), JITTER[::-1])
WORSE = Behaviour((0.3, 0.35, 0.4, 0.4), JITTER[::-1])
SAME = Behaviour(FULL.curve, JITTER[::-1])

Make = Callable[..., Store]


def answered(store: Store) -> Answer:
    study = store.read()
    judged = judge(questions(study.spec, study.panels), study.panels)
    return answer([Measures(panel) for panel in study.panels], judged, exploratory(study.spec, study.panels))


def drawn(store: Store) -> Picture:
    study = store.read()
    judged = judge(questions(study.spec, study.panels), study.panels)
    return forest([Measures(panel) for panel in study.panels], judged, exploratory(study.spec, study.panels))


def claimed(quick_study: Make, **behaviours: Behaviour) -> Store:
    """`dots` is the only claim; `random` and `ufo` are exploratory."""
    ways = {"dots": DOTS, "random": RANDOM, "ufo": {"selection": {"method": "random", "fraction": 0.3}}}
    arms = {"full": ({}, FULL), **{name: (ways[name], behaviour) for name, behaviour in behaviours.items()}}
    return quick_study(arms, seeds=5, questions=100, fields={"report": {"claims": [{"arm": "dots"}]}})
