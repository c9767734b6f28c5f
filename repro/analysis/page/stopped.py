"""Says which runs `train.stop_on` ended before their last step."""

from __future__ import annotations

from repro.analysis.measures import Measures
from repro.tracking.stopped import HEALTH, stopped_early
from repro.words import listed, plural

SHOWN = 400
"""Characters of the list of runs at most."""


def stopped_text(measures: Measures) -> str:
    """How many runs were stopped early, which, and at which step; empty where none was."""
    runs = [(series.label, run) for series in measures.panel.series for run in series.runs]
    found = []
    for label, run in runs:
        with run.reading(HEALTH):
            place = stopped_early(run.json(HEALTH))
        if place is not None:
            found.append(f"`{label}` seed {run.place.seed} {place}")
    if not found:
        return ""
    return (
        f"**{len(found)} of {plural(len(runs), 'run')} stopped early** by `train.stop_on`: {listed(found, SHOWN)}. "
        "What is said of their end is said of that step."
    )
