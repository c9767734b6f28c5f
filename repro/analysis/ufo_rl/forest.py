"""UFO-RL pair by pair: UFO against full data, and against a random subset of its size."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.measures import Measures
from repro.analysis.pair_forest import Asked, pair_forest
from repro.analysis.pictures import Picture
from repro.analysis.primary import Question
from repro.analysis.style import COLOURS
from repro.analysis.tables import Table
from repro.analysis.ufo_rl.strategies import headline


def forest(panels: Sequence[Measures]) -> list[Table | Picture]:
    """UFO minus full data and UFO minus random, at equal tokens; nothing where UFO ran beside neither."""
    arms = headline(panels)
    ufo = arms.get("confidence middle")
    if ufo is None:
        return []
    asked = [
        Asked(f"UFO − {name}", Question(ufo, arms[name], "tokens"), COLOURS["confidence"])
        for name in ("full", "random")
        if name in arms
    ]
    found = pair_forest("ufo_rl.forest", "UFO against full data and a random subset, pair by pair", panels, asked)
    return [] if found is None else [found]
