"""How a report says whether groups without an advantage were trained on: FLOPs and seconds depend on it."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.measures import Measures
from repro.analysis.runs import Series
from repro.analysis.text import names

FIELD = "`train.skip_zero_advantage`"


def skips(series: Series) -> bool:
    """Whether an arm left groups without an advantage out of its updates."""
    return bool((series.cell.get("train") or {}).get("skip_zero_advantage", True))


def updates_said(panels: Sequence[Measures]) -> str:
    """Whether updates were dense, in one sentence; of which arms, where they differ."""
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for series in (series for measures in panels for series in measures.panel.series):
        if series.label not in kinds[skips(series)]:
            kinds[skips(series)].append(series.label)
    if not kinds[False]:
        return f"Updates leave out groups without an advantage ({FIELD}): less work than dense ones, the same gradient."
    if not kinds[True]:
        return f"Updates are dense: groups without an advantage are trained on too ({FIELD}: false)."
    return (
        f"Updates are dense in {names(kinds[False])}; the other arms leave out groups without an advantage ({FIELD})."
    )
